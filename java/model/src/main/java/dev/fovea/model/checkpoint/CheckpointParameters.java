package dev.fovea.model.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.error.FileException;
import dev.fovea.model.ParameterSource;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Parameters straight from mapped files. Matrices are handed out as they lie, or unpacked to groups of 128; vectors and the position table are small and are widened to F32
 * where a file has them otherwise.
 */
final class CheckpointParameters implements ParameterSource {
  private static final int CHANNELS = 3;

  private final Weights weights;
  private final Arena arena;
  private final Map<String, MemorySegment> given = new HashMap<>();

  /** arena: where widened copies live; as long as the checkpoint. */
  CheckpointParameters(Weights weights, Arena arena) {
    this.weights = weights;
    this.arena = arena;
  }

  /** A checkpoint without a head of its own uses the embedding table again. */
  private String stored(String name) {
    return name.equals("lm_head") && !weights.has(name) ? "embed" : name;
  }

  private static boolean isWidened(String name) {
    return name.contains("norm")
        || name.endsWith(".bias")
        || name.equals("vision.class")
        || name.equals("vision.position");
  }

  @Override
  public DType dtype(String name) {
    return isWidened(name) ? DType.F32 : weights.describe(stored(name)).dtype();
  }

  @Override
  public MemorySegment data(String name, TensorType type) {
    return given.computeIfAbsent(name, n -> find(n, type));
  }

  private MemorySegment find(String name, TensorType type) {
    WeightTensor t = weights.take(stored(name), sizes(name, type));
    if (t.dtype() == type.dtype()) {
      return aligned(t) ? t.data() : copy(t);
    }
    if (!isWidened(name) || t.dtype().isQuantized() || t.dtype().isWhole()) {
      throw FileException.mismatch(
          t.file(),
          t.where() + ": element type",
          type.dtype().label(),
          t.dtype().label());
    }
    MemorySegment wide = arena.allocate(4 * t.elements(), 64);
    for (long i = 0; i < t.elements(); i++) {
      wide.setAtIndex(JAVA_FLOAT, i, (float) Blocks.get(t.dtype(), t.data(), i));
    }
    return wide;
  }

  /** The sizes as files have them: the patch map is a convolution, the class token has no row axis. */
  private static long[] sizes(String name, TensorType type) {
    int[] sizes = type.shape().toArray();
    if (name.equals("vision.class")) {
      return new long[] {sizes[1]};
    }
    if (name.equals("vision.patch")) {
      long side = Math.round(Math.sqrt(sizes[1] / (double) CHANNELS));
      return new long[] {sizes[0], CHANNELS, side, side};
    }
    long[] dims = new long[sizes.length];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = sizes[i];
    }
    return dims;
  }

  /** Kernels read whole elements, or two-byte block headers. */
  private static boolean aligned(WeightTensor t) {
    long unit = t.dtype() == DType.F32 ? 4 : 2;
    return t.data().address() % unit == 0;
  }

  private MemorySegment copy(WeightTensor t) {
    MemorySegment copy = arena.allocate(t.bytes(), 64);
    return copy.copyFrom(t.data());
  }
}
