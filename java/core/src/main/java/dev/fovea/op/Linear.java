package dev.fovea.op;

import static dev.fovea.op.Call.HALF;
import static dev.fovea.op.Call.HALF_TINY;
import static dev.fovea.op.Call.gamma;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.O;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * y = x·Wᵀ + b, with W as stored: any weight type. A kernel may round the activations: to bfloat16 where W is bfloat16, to binary16,
 * each row scaled by a power of two to at most 2, where W is binary16, to eight bits per block of 32 (d = max|x|/127) where W is
 * quantized, whatever the size of W's own blocks; the bound says so.
 */
public record Linear() implements Op {
  static final DType[] WEIGHTS = {
    DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0, DType.Q4_G128
  };

  @Override
  public String name() {
    return "linear";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "w", "b?"); // x [T,I], w [O,I], b [O] → [T,O]
  }

  @Override
  public TensorType infer(Operands in) {
    return outType(in, 0, 1, 2);
  }

  /** The shape rule, shared with the ops that begin with a linear map. */
  static TensorType outType(Operands in, int x, int w, int b) {
    in.rank(x, 2).rank(w, 2).dtype(x, DType.F32).dtype(w, WEIGHTS);
    in.require(in.size(x, 1) == in.size(w, 1), "w must be as wide as x");
    in.require(
        in.size(w, 1) % in.type(w).dtype().blockSize() == 0, "w's rows must be whole blocks");
    if (b >= 0 && in.has(b)) {
      in.rank(b, 1)
          .dtype(b, DType.F32)
          .require(in.size(b, 0) == in.size(w, 0), "b must be as long as w has rows");
    }
    return TensorType.f32(
        Shape.of(in.shape(x).axis(0), in.size(x, 0), in.shape(w).axis(0), in.size(w, 0)));
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    double[] w = c.in(1);
    int width = c.shape(1).size(1);
    int outs = c.shape(1).size(0);
    int rows = x.length / width;
    DType dtype = c.type(1).dtype();
    double[] rounding = new double[width];
    for (int t = 0; t < rows; t++) {
      activationRounding(dtype, x, t * width, rounding);
      for (int o = 0; o < outs; o++) {
        double sum = c.has(2) ? c.in(2)[o] : 0;
        double size = Math.abs(sum);
        double error = 0;
        for (int i = 0; i < width; i++) {
          double product = x[t * width + i] * w[o * width + i];
          sum += product;
          size += Math.abs(product);
          error += Math.abs(w[o * width + i]) * (rounding[i] + c.error(0, t * width + i));
        }
        c.put(t * outs + o, sum, gamma(width + 3) * size + error);
      }
    }
  }

  /** How far a kernel may move each activation of a row that starts at {@code from}. */
  static void activationRounding(DType weights, double[] x, int from, double[] rounding) {
    int width = rounding.length;
    switch (weights) {
      case BF16 -> {
        for (int i = 0; i < width; i++) {
          // Half a unit in the last of 8 bits; products of subnormals may be flushed.
          rounding[i] = Math.abs(x[from + i]) * 0x1p-8 + Float.MIN_NORMAL;
        }
      }
      case F16 -> {
        double max = 0;
        for (int i = 0; i < width; i++) {
          max = Math.max(max, Math.abs(x[from + i]));
        }
        for (int i = 0; i < width; i++) {
          // Half a unit in the last of 11 bits, and of the subnormals below the scaled row's 2^-14.
          rounding[i] = Math.abs(x[from + i]) * HALF + max * HALF_TINY + Float.MIN_NORMAL;
        }
      }
      case Q8_0, Q4_0, Q4_G128 -> {
        for (int block = 0; block < width; block += 32) {
          double max = 0;
          for (int i = block; i < block + 32; i++) {
            max = Math.max(max, Math.abs(x[from + i]));
          }
          // Half a step of max/127; the step itself and the quotient are rounded to binary32.
          Arrays.fill(rounding, block, block + 32, max / 254 * (1 + 0x1p-10) + Float.MIN_NORMAL);
        }
      }
      default -> Arrays.fill(rounding, 0);
    }
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 2.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  public List<Case> cases() {
    return cases(this, 2, List.of(), true);
  }

  /**
   * The cases of a linear map, for this op and those that begin with one.
   *
   * @param biasAt where the optional bias stands, −1 if there is none
   * @param extra how many further inputs [T,O] follow the bias
   */
  static List<Case> cases(Op op, int biasAt, List<Fill> extra, boolean withReal) {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : WEIGHTS) {
      for (int[] d : new int[][] {
        {1, 32, 1}, {1, 64, 5}, {3, 96, 17}, {7, 160, 33}, {2, 2048, 6}, {33, 128, 70}
      }) {
        int width = wholeBlocks(dtype, d[1]);
        for (boolean bias : biasAt < 0 ? new boolean[] {false} : new boolean[] {false, true}) {
          cases.add(of(op, dtype, d[0], width, d[2], bias, biasAt >= 0, extra, new Fill.Normal(1)));
        }
      }
      if (dtype.blockSize() == 1) {
        cases.add(of(op, dtype, 3, 13, 7, false, biasAt >= 0, extra, new Fill.Normal(1)));
        cases.add(of(op, dtype, 103, 45, 35, false, biasAt >= 0, extra, new Fill.Normal(1)));
      }
      for (Fill fill : new Fill[] {
        new Fill.Constant(0), new Fill.Normal(1e-20), new Fill.Normal(1e15), new Fill.Outlier(1)
      }) {
        cases.add(of(op, dtype, 3, 128, 9, biasAt >= 0, biasAt >= 0, extra, fill));
      }
      for (int rows : new int[] {12, 100}) {
        cases.add(of(
                op,
                dtype,
                rows,
                wholeBlocks(dtype, 64),
                20,
                false,
                biasAt >= 0,
                extra,
                new Fill.Normal(1))
            .live(5));
      }
      if (withReal) {
        cases.add(of(op, dtype, 1, 4096, 512, false, biasAt >= 0, extra, new Fill.Normal(1))
            .asReal());
      }
    }
    return cases;
  }

  /** Blocks of 32 come in the numbers the cases say, larger ones in whole ones. */
  private static int wholeBlocks(DType dtype, int width) {
    int block = dtype.blockSize();
    return block <= 32 ? width : (width / 32) * block;
  }

  private static Case of(
      Op op,
      DType dtype,
      int t,
      int i,
      int o,
      boolean bias,
      boolean biasSlot,
      List<Fill> extra,
      Fill fill) {
    List<@Nullable TensorType> in = new ArrayList<>();
    List<Fill> fills = new ArrayList<>();
    in.add(TensorType.f32(Shape.of(T, t, I, i)));
    fills.add(fill);
    int weights = op.name().equals("swiglu") ? 2 : 1;
    for (int n = 0; n < weights; n++) {
      in.add(new TensorType(dtype, Shape.of(O, o, I, i)));
      fills.add(new Fill.Normal(1 / Math.sqrt(i)));
    }
    if (biasSlot) {
      in.add(bias ? TensorType.f32(Shape.of(O, o)) : null);
      fills.add(new Fill.Normal(1));
    }
    for (Fill f : extra) {
      in.add(TensorType.f32(Shape.of(Axis.T, t, O, o)));
      fills.add(f);
    }
    return new Case(
        dtype.label() + " " + t + "x" + i + "x" + o + (bias ? " bias " : " ") + fill,
        op,
        in,
        fills);
  }
}
