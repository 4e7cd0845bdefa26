package dev.fovea.op;

import static dev.fovea.op.Call.HALF;
import static dev.fovea.op.Call.HALF_TINY;
import static dev.fovea.op.Call.U;
import static dev.fovea.op.Call.gamma;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.H;
import static dev.fovea.tensor.Axis.N;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Softmax(scale·q·kᵀ)·v per head, every row attending to every row: the vision tower's. Vaswani et al. 2017, arXiv:1706.03762, equation
 * 1.
 *
 * @param scale 1/√Dh
 */
public record Attention(double scale) implements Op {

  @Override
  public String name() {
    return "attention";
  }

  @Override
  public List<String> inputs() {
    return List.of("q", "k", "v"); // q, k, v [N,H,Dh] → [N,H,Dh]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 3).dtype(0, DType.F32).dtype(1, DType.F32).dtype(2, DType.F32);
    in.require(
        in.shape(0).sameSizes(in.shape(1)) && in.shape(0).sameSizes(in.shape(2)),
        "q, k and v must have the same sizes");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    int rows = c.shape(0).size(0);
    int heads = c.shape(0).size(1);
    int width = c.shape(0).size(2);
    int[] at = new int[rows];
    for (int h = 0; h < heads; h++) {
      for (int j = 0; j < rows; j++) {
        at[j] = (j * heads + h) * width;
      }
      for (int t = 0; t < rows; t++) {
        head(
            c,
            scale,
            c.in(0),
            (t * heads + h) * width,
            c.in(1),
            c.in(2),
            at,
            rows,
            width,
            Halves.NONE);
      }
    }
  }

  /** What a kernel may round to binary16, as matrix units want it. */
  enum Halves {
    NONE,
    /** The query, scaled by a power of two, and the weights before they are normalised. */
    QUERY_AND_WEIGHTS,
    /** Keys and values as well: as they are, so that below 2⁻¹⁴ multiples of 2⁻²⁴, which eight-bit blocks are made of, stay exact. */
    ALL
  }

  /**
   * One query row of one head against the keys and values that start at {@code at[0 … n−1]}; the output stands where the query does.
   *
   * @param halves what a kernel may round
   */
  static void head(
      Call c,
      double scale,
      double[] q,
      int qAt,
      double[] k,
      double[] v,
      int[] at,
      int n,
      int width,
      Halves halves) {
    boolean half = halves != Halves.NONE;
    int both = halves == Halves.ALL ? 2 : 1; // factors of a product that are rounded
    double largest = 0;
    for (int i = 0; i < width; i++) {
      largest = Math.max(largest, Math.abs(q[qAt + i]));
    }
    double[] score = new double[n];
    double max = Double.NEGATIVE_INFINITY;
    double scoreError = 0;
    for (int j = 0; j < n; j++) {
      double size = 0;
      double rounding = 0;
      for (int i = 0; i < width; i++) {
        double product = q[qAt + i] * k[at[j] + i] * scale;
        score[j] += product;
        size += Math.abs(product);
        rounding +=
            both * HALF * Math.abs(product) + HALF_TINY * Math.abs(largest * k[at[j] + i] * scale);
      }
      max = Math.max(max, score[j]);
      scoreError = Math.max(scoreError, gamma(width + 3) * size + (half ? rounding : 0));
    }
    double sum = 0;
    for (int j = 0; j < n; j++) {
      sum += Math.exp(score[j] - max);
    }
    // A weight is off by its own score's error and the sum's, by the exponential's few units and
    // its rounded argument.
    double common = Math.expm1(2 * scoreError) + 0x1p-19 + gamma(2.0 * n + 8);
    if (half) {
      common += (1 + both) * HALF; // above and below the line of the quotient, and the values
    }
    double tiny = half ? HALF_TINY / sum : 0;
    for (int i = 0; i < width; i++) {
      double y = 0;
      double bound = 0;
      for (int j = 0; j < n; j++) {
        double weight = Math.exp(score[j] - max) / sum;
        y += weight * v[at[j] + i];
        bound += Math.abs(v[at[j] + i]) * (weight * (common + 2 * U * (max - score[j])) + tiny);
      }
      c.put(qAt + i, y, bound);
    }
  }

  @Override
  public List<Number> attributes() {
    return List.of(scale);
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    return 4.0 * out.shape().elements() * out.shape().size(0);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int[] d : new int[][] {{1, 1, 64}, {2, 3, 8}, {17, 2, 64}, {65, 1, 64}, {50, 2, 20}}) {
      cases.add(of(d[0], d[1], d[2], new Fill.Normal(1)));
    }
    cases.add(of(257, 2, 64, new Fill.Normal(1)).asReal());
    cases.add(of(9, 2, 64, new Fill.Constant(0)));
    cases.add(of(9, 2, 64, new Fill.Normal(6))); // sharp: one key takes nearly all the weight
    cases.add(
        of(9, 2, 64, new Fill.Normal(60))); // beyond exp's range unless the maximum goes first
    cases.add(of(9, 2, 64, new Fill.Outlier(0.05)));
    return cases;
  }

  private static Case of(int rows, int heads, int width, Fill q) {
    TensorType type = TensorType.f32(Shape.of(N, rows, H, heads, DH, width));
    return new Case(
        rows + "x" + heads + "x" + width + " " + q,
        new Attention(1 / Math.sqrt(width)),
        List.of(type, type, type),
        List.of(q, new Fill.Normal(1), new Fill.Normal(1)));
  }
}
