package dev.fovea.op;

import static dev.fovea.op.Call.gamma;
import static dev.fovea.tensor.Axis.E;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Layer normalisation: y = (x − μ) / √(σ² + ε) · g + b with the population variance. Ba, Kiros and Hinton 2016, arXiv:1607.06450,
 * equation 4.
 */
public record LayerNorm(double eps) implements Op {

  @Override
  public String name() {
    return "layer_norm";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "g", "b"); // x [N,E], g [E], b [E] → [N,E]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 1).rank(2, 1).dtype(0, DType.F32).dtype(1, DType.F32).dtype(2, DType.F32);
    in.require(
        in.size(0, 1) == in.size(1, 0) && in.size(0, 1) == in.size(2, 0),
        "g and b must be as wide as x");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    double[] g = c.in(1);
    double[] b = c.in(2);
    int width = c.shape(1).size(0);
    for (int row = 0; row < x.length; row += width) {
      double sum = 0;
      double abs = 0;
      for (int i = 0; i < width; i++) {
        sum += x[row + i];
        abs += Math.abs(x[row + i]);
      }
      double mean = sum / width;
      double meanError = gamma(width + 1) * abs / width;
      double squares = 0;
      double squaresError = 0;
      for (int i = 0; i < width; i++) {
        double d = x[row + i] - mean;
        double e = meanError + Call.U * Math.abs(d);
        squares += d * d;
        squaresError += 2 * Math.abs(d) * e + e * e + gamma(2) * d * d;
      }
      double variance = squares / width;
      double varianceError = squaresError / width + gamma(width) * variance;
      double scale = 1 / Math.sqrt(variance + eps);
      for (int i = 0; i < width; i++) {
        double d = x[row + i] - mean;
        double y = d * scale * g[i];
        // d carries the mean's error; the scale half the variance's relative error and 2.5u (sum
        // with ε, root, division); two products and the sum add 3u, the definition's rounding u.
        double bound = (meanError + Call.U * Math.abs(d)) * scale * Math.abs(g[i])
            + Math.abs(y) * (varianceError / (2 * (variance + eps)) + gamma(6.5))
            + gamma(2) * Math.abs(b[i]);
        c.put(row + i, y + b[i], bound);
      }
    }
  }

  @Override
  public List<Number> attributes() {
    return List.of(eps);
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int[] dims : new int[][] {{1, 1}, {3, 17}, {5, 64}, {2, 257}}) {
      cases.add(of(dims[0], dims[1], new Fill.Normal(1)));
    }
    cases.add(of(257, 1024, new Fill.Normal(1)).asReal());
    cases.add(of(2, 96, new Fill.Constant(0)));
    cases.add(of(2, 96, new Fill.Constant(3)));
    cases.add(of(2, 96, new Fill.Normal(1e-15)));
    cases.add(of(2, 96, new Fill.Normal(1e12)));
    cases.add(of(2, 96, new Fill.Outlier(1)));
    cases.add(of(8, 40, new Fill.Normal(1)).live(3));
    return cases;
  }

  private static Case of(int rows, int width, Fill fill) {
    return new Case(
        rows + "x" + width + " " + fill,
        new LayerNorm(1e-5),
        List.of(
            TensorType.f32(Shape.of(T, rows, E, width)),
            TensorType.f32(Shape.of(E, width)),
            TensorType.f32(Shape.of(E, width))),
        List.of(fill, new Fill.Normal(1), new Fill.Normal(1)));
  }
}
