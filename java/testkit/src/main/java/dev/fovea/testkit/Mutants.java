package dev.fovea.testkit;

import dev.fovea.op.Attention;
import dev.fovea.op.LayerNorm;
import dev.fovea.op.NormQkv;
import dev.fovea.op.NormSwiGlu;
import dev.fovea.op.PagedAttention;
import dev.fovea.op.Resize;
import dev.fovea.op.RmsNorm;
import dev.fovea.op.Rope;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Kernels that are wrong in the ways kernels are: the harness must catch each. Beside them kernels that are right but round at every
 * step, as binary32 does: the harness must let each pass.
 */
public final class Mutants {
  private Mutants() {}

  /** Each must fail at least one case of its op. */
  public static List<Mutant> wrong() {
    List<Mutant> all = new ArrayList<>();
    for (String op : List.of(
        "linear", "linear_add", "swiglu", "norm_swiglu", "rms_norm", "add", "patchify", "resize")) {
      all.add(new Mutant("dropped tail of the output", op, Mutants::droppedTail));
    }
    for (String op :
        List.of("linear", "linear_add", "linear_gelu", "linear_quick_gelu", "swiglu")) {
      all.add(new Mutant("dropped tail of the sum", op, Mutants::droppedTerms));
      all.add(new Mutant("largest activation dropped", op, Mutants::droppedLargest));
      all.add(new Mutant("neighbour's scale", op, weights(Mutants::neighboursScale)));
      all.add(new Mutant("swapped nibbles", op, weights(Mutants::swappedNibbles)));
      all.add(new Mutant("neighbour's zero point", op, weights(Mutants::neighboursZero)));
      all.add(new Mutant("zero point of 8 for all", op, weights(Mutants::zeroOfEight)));
    }
    all.add(new Mutant("neighbour's scale", "embed", weights(Mutants::neighboursScale)));
    all.add(new Mutant("swapped nibbles", "embed", weights(Mutants::swappedNibbles)));
    for (String op : List.of("add", "concat_rows", "rope", "kv_append")) {
      all.add(new Mutant("off-by-one write behind the end", op, l -> offByOne(l, true)));
      all.add(new Mutant("off-by-one write before the start", op, l -> offByOne(l, false)));
    }
    for (String op : List.of("linear", "layer_norm", "attention", "take_rows", "embed")) {
      all.add(new Mutant("stale last row", op, Mutants::staleLastRow));
    }
    all.add(new Mutant("half-precision sum", "linear", linear(Mutants::half)));
    all.add(new Mutant("half-precision sum", "rms_norm", rmsNorm(Mutants::half)));
    all.add(new Mutant("half-precision sum", "attention", attention(Mutants::half, true)));
    all.add(new Mutant("half-precision sum", "paged_attention", attention(Mutants::half, true)));
    all.add(new Mutant("no maximum subtracted", "attention", attention(Mutants::single, false)));
    all.add(
        new Mutant("no maximum subtracted", "paged_attention", attention(Mutants::single, false)));
    all.add(new Mutant("mask one too long", "paged_attention", l -> moved(l, 3, 1)));
    all.add(new Mutant("mask one too short", "paged_attention", l -> moved(l, 3, -1)));
    all.add(new Mutant("position one too far", "kv_append", l -> moved(l, 2, 1)));
    all.add(new Mutant("position one too far", "rope", l -> moved(l, 1, 1)));
    all.add(new Mutant("page table ignored", "paged_attention", l -> pagesInOrder(l, 5)));
    all.add(new Mutant("page table ignored", "kv_append", l -> pagesInOrder(l, 4)));
    all.add(new Mutant("neighbour's scale", "paged_attention", weights(Mutants::neighboursScale)));
    all.add(new Mutant("exchanged quants", "paged_attention", weights(Mutants::exchangedQuants)));
    all.add(new Mutant("neighbour's scale", "kv_append", appended(Mutants::neighboursScale)));
    all.add(new Mutant("exchanged quants", "kv_append", appended(Mutants::exchangedQuants)));
    all.add(new Mutant("quants cut off, not rounded", "kv_append", appended(Mutants::cutOff)));
    all.add(new Mutant("everyone is sequence 0", "paged_attention", l -> zeroed(l, 4)));
    all.add(new Mutant("everyone is sequence 0", "kv_append", l -> zeroed(l, 3)));
    all.add(new Mutant(
        "query heads mapped to the wrong key head", "paged_attention", Mutants::wrongHead));
    all.add(new Mutant("rotary halves swapped", "rope", Mutants::pairsExchanged));
    all.add(new Mutant("rotary pairs of the other order", "rope", l -> {
      Rope rope = (Rope) l.op();
      l.compute(new Rope(rope.theta(), rope.scale(), !rope.neighbours()), l.numbers());
    }));
    all.add(new Mutant("position scale forgotten", "rope", l -> {
      Rope rope = (Rope) l.op();
      l.compute(new Rope(rope.theta(), 1, rope.neighbours()), l.numbers());
    }));
    for (String op : List.of("add", "linear", "attention", "paged_attention")) {
      all.add(new Mutant("input overwritten", op, Mutants::inputOverwritten));
    }
    for (String op : List.of(
        "add",
        "rms_norm",
        "layer_norm",
        "rope",
        "linear",
        "linear_add",
        "swiglu",
        "norm_swiglu",
        "embed",
        "kv_append",
        "paged_attention",
        "silu_mul",
        "gelu",
        "quick_gelu")) {
      all.add(new Mutant("ignores live", op, l -> Computation.DEFINITION.run(l.allRows())));
    }
    for (String op : List.of("add", "linear", "attention")) {
      all.add(new Mutant("result depends on a previous run", op, RunCounter::new));
    }
    all.add(new Mutant("gate and up exchanged", "swiglu", l -> exchanged(l, 1, 2)));
    all.add(new Mutant("gate and up exchanged", "silu_mul", l -> exchanged(l, 0, 1)));
    all.add(new Mutant("operands exchanged", "concat_rows", Mutants::rowsExchanged));
    all.add(new Mutant("weights shifted by one", "resize", Mutants::weightsShifted));
    all.add(new Mutant("rounded down", "resize", Mutants::roundedDown));
    for (int i : new int[] {2, 3, 4}) {
      all.add(new Mutant(
          "no padding in " + new Resize().inputs().get(i), "resize", l -> zeroedPart(l, i)));
    }
    all.add(new Mutant("channels exchanged", "resize", Mutants::channelsExchanged));
    all.add(new Mutant("eps forgotten", "rms_norm", l -> l.compute(new RmsNorm(0), l.numbers())));
    all.add(
        new Mutant("eps forgotten", "layer_norm", l -> l.compute(new LayerNorm(0), l.numbers())));
    for (String op : List.of("linear", "linear_add", "linear_gelu", "linear_quick_gelu")) {
      all.add(new Mutant("bias forgotten", op, l -> zeroed(l, 2)));
    }
    all.add(new Mutant("bias forgotten", "layer_norm", l -> zeroed(l, 2)));
    all.add(new Mutant("residual added twice", "linear_add", Mutants::residualTwice));
    all.add(new Mutant("residual forgotten", "linear_add", l -> zeroed(l, 3)));
    all.add(new Mutant(
        "tanh approximation",
        "gelu",
        l -> elementwise(l, x -> {
          double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
          return x / 2 * (1 + Math.tanh(inner));
        })));
    all.add(new Mutant(
        "slope 1.7 for 1.702",
        "quick_gelu",
        l -> elementwise(l, x -> x / (1 + Math.exp(-1.7 * x)))));
    all.add(new Mutant("gate and up exchanged", "norm_swiglu", l -> exchanged(l, 2, 3)));
    all.add(
        new Mutant("eps forgotten", "norm_swiglu", l -> l.compute(new NormSwiGlu(0), l.numbers())));
    all.add(new Mutant("norm's gain forgotten", "norm_swiglu", l -> ones(l, 1)));
    all.addAll(normQkv());
    return all;
  }

  private static List<Mutant> normQkv() {
    String op = "norm_qkv";
    return List.of(
        new Mutant("dropped tail of the sum", op, Mutants::droppedTerms),
        new Mutant("neighbour's scale", op, weights(Mutants::neighboursScale)),
        new Mutant("swapped nibbles", op, weights(Mutants::swappedNibbles)),
        new Mutant("ignores live", op, l -> Computation.DEFINITION.run(l.allRows())),
        new Mutant("norm's gain forgotten", op, l -> ones(l, 1)),
        new Mutant("keys forgotten", op, l -> forgotten(l, 0)),
        new Mutant("values forgotten", op, l -> forgotten(l, 1)),
        new Mutant("keys and values exchanged", op, l -> exchanged(l, 3, 4)),
        new Mutant("position one too far", op, l -> moved(l, 7, 1)),
        new Mutant("everyone is sequence 0", op, l -> zeroed(l, 8)),
        new Mutant("page table ignored", op, l -> pagesInOrder(l, 9)),
        new Mutant("place in the page one too far", op, Mutants::placeTooFar),
        new Mutant("values turned too", op, Mutants::valuesTurned),
        new Mutant("eps forgotten", op, l -> {
          NormQkv o = (NormQkv) l.op();
          l.compute(new NormQkv(0, o.theta(), o.scale(), o.neighbours()), l.numbers());
        }),
        new Mutant("position scale forgotten", op, l -> {
          NormQkv o = (NormQkv) l.op();
          l.compute(new NormQkv(o.eps(), o.theta(), 1, o.neighbours()), l.numbers());
        }),
        new Mutant("rotary pairs of the other order", op, l -> {
          NormQkv o = (NormQkv) l.op();
          l.compute(new NormQkv(o.eps(), o.theta(), o.scale(), !o.neighbours()), l.numbers());
        }));
  }

  private static void ones(Launch l, int input) {
    List<double @Nullable []> in = l.numbers();
    Arrays.fill(present(in, input), 1);
    l.compute(l.op(), in);
  }

  /** Leaves one of the states as it was. */
  private static void forgotten(Launch l, int state) {
    Definition d = l.define(l.op(), l.numbers());
    Arrays.fill(d.written().get(state).bounds(), -1);
    l.store(l.op(), d);
  }

  /** Writes each key row a place behind its own: right numbers in the wrong spot. */
  private static void placeTooFar(Launch l) {
    Definition d = l.define(l.op(), l.numbers());
    Definition keys = d.written().getFirst();
    int width = keys.out().shape().size(3);
    double[] values = keys.values().clone();
    double[] bounds = keys.bounds().clone();
    for (int i = 0; i < values.length; i++) {
      int from = (i + values.length - width) % values.length;
      keys.values()[i] = values[from];
      keys.bounds()[i] = bounds[from];
    }
    l.store(l.op(), d);
  }

  /** Values get the rotation that is the keys' alone: as if they were keys. */
  private static void valuesTurned(Launch l) {
    List<double @Nullable []> in = l.numbers();
    in.set(3, in.get(4));
    Definition turned = l.define(l.op(), in);
    Definition d = l.define(l.op(), l.numbers());
    System.arraycopy(
        turned.written().get(0).values(),
        0,
        d.written().get(1).values(),
        0,
        d.written().get(1).values().length);
    l.store(l.op(), d);
  }

  /** Right kernels that compute in binary32 throughout: each must pass every case of its op. */
  public static List<Mutant> right() {
    return List.of(
        new Mutant("binary32 sum", "linear", linear(Mutants::single)),
        new Mutant("binary32 sum", "rms_norm", rmsNorm(Mutants::single)),
        new Mutant("binary32 sums", "attention", attention(Mutants::single, true)),
        new Mutant("binary32 sums", "paged_attention", attention(Mutants::single, true)),
        new Mutant(
            "binary32 steps",
            "quick_gelu",
            l -> elementwise(l, x -> {
              float e = (float) Math.exp(-1.702f * (float) x);
              return (float) x / (1 + e);
            })));
  }

  private static double half(double x) {
    return Float.float16ToFloat(Float.floatToFloat16((float) x));
  }

  private static double single(double x) {
    return (float) x;
  }

  /** Only whole groups of four elements of the output are written. */
  private static void droppedTail(Launch l) {
    Definition d = l.define(l.op(), l.numbers());
    for (int i = d.bounds().length / 4 * 4; i < d.bounds().length; i++) {
      d.bounds()[i] = -1;
    }
    d.store(l.out().memory());
  }

  /** The sum runs over whole groups of 64 only. */
  private static void droppedTerms(Launch l) {
    List<double @Nullable []> in = l.numbers();
    double[] x = present(in, 0);
    int width = l.input(0).type().shape().size(1);
    for (int i = 0; i < x.length; i++) {
      x[i] = i % width >= width / 64 * 64 ? 0 : x[i];
    }
    l.compute(l.op(), in);
  }

  /** The largest of each 32 activations counts as 0, as if it did not fit eight bits. */
  private static void droppedLargest(Launch l) {
    List<double @Nullable []> in = l.numbers();
    double[] x = present(in, 0);
    for (int block = 0; block + 32 <= x.length; block += 32) {
      int largest = block;
      for (int i = block; i < block + 32; i++) {
        largest = Math.abs(x[i]) > Math.abs(x[largest]) ? i : largest;
      }
      x[largest] = 0;
    }
    l.compute(l.op(), in);
  }

  private static double[] present(List<double @Nullable []> in, int i) {
    double[] x = in.get(i);
    if (x == null) {
      throw new IllegalArgumentException("input " + i + " is absent");
    }
    return x;
  }

  /** Changes the bytes of a block-quantized weight. */
  private interface Damage {
    void apply(DType dtype, MemorySegment weights);
  }

  /** Computes on damaged copies of every quantized input. */
  private static Computation weights(Damage damage) {
    return l -> {
      List<double @Nullable []> in = l.numbers();
      try (Arena arena = Arena.ofConfined()) {
        for (int i = 0; i < in.size(); i++) {
          Launch.Operand o = l.in().get(i);
          if (o != null && o.type().dtype().isQuantized()) {
            MemorySegment copy = arena.allocate(o.memory().byteSize(), 64).copyFrom(o.memory());
            damage.apply(o.type().dtype(), copy);
            in.set(i, Rows.decode(o.live(), copy));
          }
        }
      }
      l.compute(l.op(), in);
    };
  }

  private static void neighboursScale(DType dtype, MemorySegment weights) {
    long size = dtype.blockBytes();
    for (long at = 0; at + 2 * size <= weights.byteSize(); at += size) {
      MemorySegment.copy(weights, at + size, weights, at, 2);
    }
  }

  /** The halves of each block's numbers. */
  private static void exchangedQuants(DType dtype, MemorySegment blocks) {
    for (long at = 2; at + 32 <= blocks.byteSize(); at += dtype.blockBytes()) {
      byte[] first = blocks.asSlice(at, 16).toArray(ValueLayout.JAVA_BYTE);
      MemorySegment.copy(blocks, at + 16, blocks, at, 16);
      MemorySegment.copy(first, 0, blocks, ValueLayout.JAVA_BYTE, at + 16, 16);
    }
  }

  /** One step nearer to zero, as if half of the numbers were rounded the other way. */
  private static void cutOff(DType dtype, MemorySegment blocks) {
    for (long i = 0; i < blocks.byteSize(); i++) {
      byte q = blocks.get(ValueLayout.JAVA_BYTE, i);
      if (i % dtype.blockBytes() >= 2 && i % 2 == 0) {
        blocks.set(ValueLayout.JAVA_BYTE, i, (byte) (q - Integer.signum(q)));
      }
    }
  }

  /** Writes damaged blocks into a cache that has blocks, and whatever else it should. */
  private static Computation appended(Damage damage) {
    return l -> {
      DType dtype = l.out().type().dtype();
      Definition d = l.define(l.op(), l.numbers());
      d.store(l.out().memory());
      if (!dtype.isQuantized()) {
        return;
      }
      int row = l.out().type().shape().size(-1);
      long bytes = dtype.bytes(row);
      for (int i = 0; i < d.values().length; i += row) {
        if (d.writes(i)) {
          damage.apply(dtype, l.out().memory().asSlice(i / row * bytes, bytes));
        }
      }
    };
  }

  private static void neighboursZero(DType dtype, MemorySegment weights) {
    long size = dtype.blockBytes();
    if (dtype == DType.Q4_G128) {
      for (long at = 0; at + 2 * size <= weights.byteSize(); at += size) {
        MemorySegment.copy(weights, at + size + 2, weights, at + 2, 2);
      }
    }
  }

  private static void zeroOfEight(DType dtype, MemorySegment weights) {
    if (dtype == DType.Q4_G128) {
      for (long at = 0; at < weights.byteSize(); at += dtype.blockBytes()) {
        weights.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 2, (short) 8);
      }
    }
  }

  private static void swappedNibbles(DType dtype, MemorySegment weights) {
    if (dtype != DType.Q4_0 && dtype != DType.Q4_G128) {
      return;
    }
    for (long i = 0; i < weights.byteSize(); i++) {
      if (i % dtype.blockBytes() >= dtype.scaleBytes()) {
        int b = weights.get(ValueLayout.JAVA_BYTE, i) & 0xff;
        weights.set(ValueLayout.JAVA_BYTE, i, (byte) (b >> 4 | b << 4));
      }
    }
  }

  private static void offByOne(Launch l, boolean behind) {
    Computation.DEFINITION.run(l);
    int size = l.out().type().dtype().blockBytes();
    long at = behind ? l.out().offset() + l.out().type().bytes() : l.out().offset() - size;
    Blocks.set(l.out().type().dtype(), l.arena().asSlice(at, size), 0, 0);
  }

  private static void staleLastRow(Launch l) {
    Definition d = l.define(l.op(), l.numbers());
    int n = d.bounds().length;
    for (int i = n - (int) d.out().shape().rowElements(); i < n; i++) {
      d.bounds()[i] = -1;
    }
    d.store(l.out().memory());
  }

  private static Computation linear(DoubleUnaryOperator round) {
    return l -> {
      List<double @Nullable []> in = l.numbers();
      double[] x = present(in, 0);
      double[] w = present(in, 1);
      double[] b = in.get(2);
      int width = l.input(1).type().shape().size(1);
      int outs = l.input(1).type().shape().size(0);
      double[] y = new double[x.length / width * outs];
      for (int i = 0; i < y.length; i++) {
        double sum = b == null ? 0 : b[i % outs];
        for (int j = 0; j < width; j++) {
          sum = round.applyAsDouble(
              sum + round.applyAsDouble(x[i / outs * width + j] * w[i % outs * width + j]));
        }
        y[i] = sum;
      }
      store(l, y);
    };
  }

  private static Computation rmsNorm(DoubleUnaryOperator round) {
    return l -> {
      double[] x = l.input(0).numbers();
      double[] g = l.input(1).numbers();
      double[] y = new double[x.length];
      for (int row = 0; row < x.length; row += g.length) {
        double sum = 0;
        for (int i = 0; i < g.length; i++) {
          sum = round.applyAsDouble(sum + round.applyAsDouble(x[row + i] * x[row + i]));
        }
        float mean = (float) sum / g.length + (float) ((RmsNorm) l.op()).eps();
        float scale = 1 / (float) Math.sqrt(mean);
        for (int i = 0; i < g.length; i++) {
          y[row + i] = (float) x[row + i] * scale * (float) g[i];
        }
      }
      store(l, y);
    };
  }

  /** Both attentions in binary32, with sums rounded as asked. */
  private static Computation attention(DoubleUnaryOperator round, boolean subtractMaximum) {
    return l -> {
      List<double @Nullable []> in = l.numbers();
      Shape q = l.input(0).live().shape();
      Shape cache = l.input(1).live().shape();
      int heads = q.size(1);
      int width = q.size(2);
      double[] y = new double[(int) q.elements()];
      for (int t = 0; t < q.size(0); t++) {
        for (int h = 0; h < heads; h++) {
          int[] at;
          float scale;
          if (l.op() instanceof PagedAttention op) {
            int seq = (int) present(in, 4)[t];
            at = new int[(int) present(in, 3)[t] + 1];
            scale = (float) op.scale();
            for (int j = 0; j < at.length; j++) {
              int page =
                  (int) present(in, 5)[seq * l.input(5).type().shape().size(1) + j / cache.size(2)];
              at[j] = ((page * cache.size(1) + h * cache.size(1) / heads) * cache.size(2)
                      + j % cache.size(2))
                  * width;
            }
          } else {
            at = new int[q.size(0)];
            scale = (float) ((Attention) l.op()).scale();
            for (int j = 0; j < at.length; j++) {
              at[j] = (j * heads + h) * width;
            }
          }
          int row = (t * heads + h) * width;
          head(round, subtractMaximum, scale, in, row, at, width, y);
        }
      }
      store(l, y);
    };
  }

  private static void head(
      DoubleUnaryOperator round,
      boolean subtractMaximum,
      float scale,
      List<double @Nullable []> in,
      int row,
      int[] at,
      int width,
      double[] y) {
    double[] q = present(in, 0);
    double[] k = present(in, 1);
    double[] v = present(in, 2);
    float[] weight = new float[at.length];
    float max = subtractMaximum ? Float.NEGATIVE_INFINITY : 0;
    for (int j = 0; j < at.length; j++) {
      double dot = 0;
      for (int i = 0; i < width; i++) {
        dot = round.applyAsDouble(dot + round.applyAsDouble(q[row + i] * k[at[j] + i]));
      }
      weight[j] = scale * (float) dot;
      max = subtractMaximum ? Math.max(max, weight[j]) : 0;
    }
    double sum = 0;
    for (int j = 0; j < at.length; j++) {
      weight[j] = (float) Math.exp(weight[j] - max);
      sum = round.applyAsDouble(sum + weight[j]);
    }
    for (int i = 0; i < width; i++) {
      double out = 0;
      for (int j = 0; j < at.length; j++) {
        out = round.applyAsDouble(out + round.applyAsDouble(weight[j] * v[at[j] + i]));
      }
      y[row + i] = (float) out / (float) sum;
    }
  }

  private static void store(Launch l, double[] y) {
    Blocks.set(l.out().type().dtype(), l.out().memory(), y, 0, y.length);
  }

  /** Adds to an input of whole numbers, which stay at least 0. */
  private static void moved(Launch l, int input, int by) {
    List<double @Nullable []> in = l.numbers();
    double[] x = present(in, input);
    for (int i = 0; i < x.length; i++) {
      x[i] = Math.max(0, x[i] + by);
    }
    l.compute(l.op(), in);
  }

  private static void zeroed(Launch l, int input) {
    List<double @Nullable []> in = l.numbers();
    double[] x = in.get(input);
    if (x != null) {
      in.set(input, new double[x.length]);
    }
    l.compute(l.op(), in);
  }

  private static void pagesInOrder(Launch l, int input) {
    List<double @Nullable []> in = l.numbers();
    double[] pages = present(in, input);
    for (int i = 0; i < pages.length; i++) {
      pages[i] = i;
    }
    l.compute(l.op(), in);
  }

  /** Head h reads key head h mod Hk in place of h·Hk/H: done by giving it the query of the head that reads there. */
  private static void wrongHead(Launch l) {
    Shape q = l.input(0).live().shape();
    int heads = q.size(1);
    int keyHeads = l.input(1).type().shape().size(1);
    ToIntFunction<Integer> reader = h -> {
      int group = heads / keyHeads;
      return h % keyHeads * group + h / keyHeads;
    };
    List<double @Nullable []> in = l.numbers();
    double[] from = present(in, 0);
    double[] to = from.clone();
    int width = q.size(2);
    for (int t = 0; t < q.size(0); t++) {
      for (int h = 0; h < heads; h++) {
        System.arraycopy(
            from, (t * heads + h) * width, to, (t * heads + reader.applyAsInt(h)) * width, width);
      }
    }
    in.set(0, to);
    Definition d = l.define(l.op(), in);
    double[] y = d.values().clone();
    for (int t = 0; t < q.size(0); t++) {
      for (int h = 0; h < heads; h++) {
        System.arraycopy(
            d.values(),
            (t * heads + reader.applyAsInt(h)) * width,
            y,
            (t * heads + h) * width,
            width);
      }
    }
    store(l, y);
  }

  /** The two elements of each pair exchange places. */
  private static void pairsExchanged(Launch l) {
    double[] y = l.define(l.op(), l.numbers()).values();
    int width = l.input(0).type().shape().size(2);
    double[] out = new double[y.length];
    for (int i = 0; i < y.length; i++) {
      int j = i % width;
      out[i] = y[((Rope) l.op()).neighbours() ? i ^ 1 : i - j + (j + width / 2) % width];
    }
    store(l, out);
  }

  /** The last input serves as scratch. */
  private static void inputOverwritten(Launch l) {
    Launch.Operand last = l.input(0);
    Computation.DEFINITION.run(l);
    if (last.offset() != l.out().offset()) {
      Blocks.set(last.type().dtype(), last.memory(), 0, 0.5);
    }
  }

  /** Right at first; each further run adds one unit in the last place, well inside any bound. */
  private static final class RunCounter implements Computation {
    private int runs;

    @Override
    public void run(Launch l) {
      Definition d = l.define(l.op(), l.numbers());
      for (int i = 0; i < d.values().length; i++) {
        for (int n = 0; n < runs; n++) {
          d.values()[i] = Math.nextUp((float) d.values()[i]);
        }
      }
      runs = 1 - runs;
      d.store(l.out().memory());
    }
  }

  private static void exchanged(Launch l, int a, int b) {
    List<double @Nullable []> in = l.numbers();
    double[] kept = in.get(a);
    in.set(a, in.get(b));
    in.set(b, kept);
    l.compute(l.op(), in);
  }

  private static void rowsExchanged(Launch l) {
    double[] a = l.input(0).numbers();
    double[] b = l.input(1).numbers();
    double[] y = new double[a.length + b.length];
    System.arraycopy(b, 0, y, 0, b.length);
    System.arraycopy(a, 0, y, b.length, a.length);
    store(l, y);
  }

  /** Each output's weights are its neighbour's. */
  private static void weightsShifted(Launch l) {
    List<double @Nullable []> in = l.numbers();
    double[] weights = present(in, 5);
    System.arraycopy(weights.clone(), 1, weights, 0, weights.length - 1);
    l.compute(l.op(), in);
  }

  /** Half a step less in every sum along a row. */
  private static void roundedDown(Launch l) {
    List<double @Nullable []> in = l.numbers();
    java.util.Arrays.fill(present(in, 2), 3, Resize.GEOMETRY, 1);
    double[] across = present(in, 3);
    for (int i = 3; i < across.length; i += Resize.SPAN) {
      across[i] -= 1 << (Resize.FRACTION_BITS - 1);
    }
    l.compute(l.op(), in);
  }

  /** What a span or the geometry says last is forgotten: padding's share, or its colour. */
  private static void zeroedPart(Launch l, int input) {
    List<double @Nullable []> in = l.numbers();
    double[] x = present(in, input);
    for (int i = 3; i < x.length; i += Resize.SPAN) {
      x[i] = 0;
    }
    l.compute(l.op(), in);
  }

  private static void channelsExchanged(Launch l) {
    List<double @Nullable []> in = l.numbers();
    double[] levels = present(in, 6);
    int half = levels.length / 3;
    double[] first = java.util.Arrays.copyOf(levels, half);
    System.arraycopy(levels, half, levels, 0, half);
    System.arraycopy(first, 0, levels, half, half);
    l.compute(l.op(), in);
  }

  private static void residualTwice(Launch l) {
    List<double @Nullable []> in = l.numbers();
    double[] r = present(in, 3);
    for (int i = 0; i < r.length; i++) {
      r[i] *= 2;
    }
    l.compute(l.op(), in);
  }

  private static void elementwise(Launch l, DoubleUnaryOperator f) {
    double[] x = l.input(0).numbers();
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = f.applyAsDouble(x[i]);
    }
    store(l, y);
  }
}
