package dev.fovea.bench;

import dev.fovea.model.ParameterSource;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;

/** Weights of a width that keeps sums near 1: a few rows of seeded random numbers, repeated, as speed does not depend on them. */
final class RandomWeights implements ParameterSource {
  private static final int ROWS = 16;

  private final Arena arena;
  private final DType matrices;
  private final Map<String, MemorySegment> made = new HashMap<>();

  /** For programs whose values say what type they are. */
  RandomWeights(Arena arena) {
    this(arena, DType.F32);
  }

  /** For models whose matrices are of that type. */
  RandomWeights(Arena arena, DType matrices) {
    this.arena = arena;
    this.matrices = matrices;
  }

  @Override
  public DType dtype(String name) {
    boolean vector = name.contains("norm")
        || name.endsWith(".bias")
        || name.equals("vision.class")
        || name.equals("vision.position");
    return vector ? DType.F32 : matrices;
  }

  @Override
  public MemorySegment data(String name, TensorType type) {
    return made.computeIfAbsent(name, _ -> make(name, type));
  }

  private MemorySegment make(String name, TensorType type) {
    int width = type.shape().size(-1);
    int rows = Math.toIntExact(Math.min(ROWS, type.shape().elements() / width));
    float[] x = new float[rows * width];
    SplittableRandom random = new SplittableRandom(name.hashCode());
    double scale = type.shape().rank() == 1 ? 0.1 : 1 / Math.sqrt(width);
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (random.nextGaussian() * scale);
    }
    MemorySegment data = arena.allocate(type.bytes(), 64);
    Blocks.quantize(type.dtype(), x, 0, x.length, data, 0);
    long done = type.dtype().bytes(x.length);
    while (done < type.bytes()) {
      long more = Math.min(done, type.bytes() - done);
      MemorySegment.copy(data, 0, data, done, more);
      done += more;
    }
    return data;
  }
}
