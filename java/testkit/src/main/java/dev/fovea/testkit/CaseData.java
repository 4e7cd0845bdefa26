package dev.fovea.testkit;

import dev.fovea.op.Case;
import dev.fovea.op.Fill;
import dev.fovea.op.Operands;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** A case with its numbers: inputs by a seed that only the op and the case's name decide, and what the definition makes of them. */
final class CaseData {
  final Case source;
  final long seed;
  final List<@Nullable Tensor> inputs = new ArrayList<>();
  final TensorType outType;
  final Map<Axis, Integer> live;
  final Definition expected;

  CaseData(Case source, Arena arena) {
    this.source = source;
    this.seed = seed(source);
    this.outType = source.op().infer(new Operands(source.op(), source.in()));
    this.live = Map.of(Axis.T, source.live(), Axis.R, source.live());
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < source.in().size(); i++) {
      SplittableRandom own = random.split();
      TensorType type = source.in().get(i);
      inputs.add(type == null ? null : tensor(arena, type, source.fill().get(i), own));
    }
    List<@Nullable TensorType> types = new ArrayList<>();
    List<double @Nullable []> numbers = new ArrayList<>();
    for (Tensor t : inputs) {
      TensorType cut = t == null ? null : Rows.live(t.type(), live);
      types.add(cut);
      numbers.add(t == null || cut == null ? null : Rows.decode(cut, t.data()));
    }
    int alias = source.op().aliasOf();
    this.expected = Definition.of(
        source.op(),
        types,
        numbers,
        Rows.live(outType, live),
        alias < 0 ? null : numbers.get(alias));
  }

  /** FNV-1a of op and case name. */
  static long seed(Case c) {
    long hash = 0xcbf29ce484222325L;
    for (byte b : (c.op().name() + "/" + c.name()).getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
    }
    return hash;
  }

  private static Tensor tensor(Arena arena, TensorType type, Fill fill, SplittableRandom random) {
    float[] x = numbers(type, fill, random);
    Tensor t = Tensor.allocate(arena, type);
    Blocks.quantize(type.dtype(), x, 0, x.length, t.data(), 0);
    return t;
  }

  private static float[] numbers(TensorType type, Fill fill, SplittableRandom random) {
    float[] x = new float[Math.toIntExact(type.shape().elements())];
    switch (fill) {
      case Fill.Normal f -> normal(x, f.scale(), random);
      case Fill.Outlier f -> {
        normal(x, f.scale(), random);
        int width = type.shape().size(-1);
        for (int row = 0; row < x.length; row += width) {
          x[row + random.nextInt(width)] =
              (float) (random.nextBoolean() ? 1000 * f.scale() : -1000 * f.scale());
        }
      }
      case Fill.Constant f -> java.util.Arrays.fill(x, (float) f.value());
      case Fill.Whole f -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = random.nextInt(f.low(), f.high() + 1);
        }
      }
      case Fill.Range f -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = f.start() + i;
        }
      }
      case Fill.Distinct _ -> {
        for (int i = 0; i < x.length; i++) {
          int j = random.nextInt(i + 1);
          x[i] = x[j];
          x[j] = i;
        }
      }
      case Fill.Values f -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = f.values().get(i % f.values().size()).floatValue();
        }
      }
    }
    return x;
  }

  private static void normal(float[] x, double scale, SplittableRandom random) {
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (random.nextGaussian() * scale);
    }
  }
}
