package dev.fovea.op;

import static dev.fovea.op.Call.gamma;
import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Root mean square layer normalisation: y = x / √(mean(x²) + ε) · g. Zhang and Sennrich 2019, arXiv:1910.07467, equation 4, with ε
 * inside the root as LLaMA has it.
 *
 * @param eps added to the mean of squares: 1e-6 for LLaMA 1, 1e-5 for LLaMA 2
 */
public record RmsNorm(double eps) implements Op {

  @Override
  public String name() {
    return "rms_norm";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "g"); // x [T,D], g [D] → [T,D]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 1).dtype(0, DType.F32).dtype(1, DType.F32);
    in.require(in.size(0, 1) == in.size(1, 0), "g must be as wide as x");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    double[] g = c.in(1);
    int width = c.shape(1).size(0);
    for (int row = 0; row < x.length; row += width) {
      double sum = 0;
      for (int i = 0; i < width; i++) {
        sum += x[row + i] * x[row + i];
      }
      double scale = 1 / Math.sqrt(sum / width + eps);
      double moved = 0; // the mean of squares, by errors of x
      for (int i = 0; i < width; i++) {
        moved += 2 * Math.abs(x[row + i]) * c.error(0, row + i) / width;
      }
      for (int i = 0; i < width; i++) {
        double y = x[row + i] * scale * g[i];
        // The sum of squares has relative error γ(width), its mean and the sum with ε 2u more; the
        // root halves that; root, division and two products add 4u, the definition's own rounding
        // u.
        double bound = (gamma(width + 2) / 2 + gamma(5)) * Math.abs(y);
        double passed =
            scale * Math.abs(g[i]) * c.error(0, row + i) + Math.abs(y) * scale * scale * moved / 2;
        c.put(row + i, y, bound + passed);
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
      cases.add(of(dims[0], dims[1], 1e-5, new Fill.Normal(1)));
    }
    cases.add(of(1, 4096, 1e-5, new Fill.Normal(1)).asReal());
    cases.add(of(64, 4096, 1e-6, new Fill.Normal(1)).asReal());
    cases.add(of(2, 96, 1e-5, new Fill.Constant(0)));
    cases.add(of(2, 96, 1e-5, new Fill.Normal(1e-18)));
    cases.add(of(2, 96, 1e-5, new Fill.Normal(1e12)));
    cases.add(of(2, 96, 1e-6, new Fill.Outlier(1)));
    cases.add(of(8, 40, 1e-5, new Fill.Normal(1)).live(3));
    return cases;
  }

  private static Case of(int rows, int width, double eps, Fill fill) {
    return new Case(
        rows + "x" + width + " " + fill,
        new RmsNorm(eps),
        List.of(TensorType.f32(Shape.of(T, rows, D, width)), TensorType.f32(Shape.of(D, width))),
        List.of(fill, new Fill.Normal(1)));
  }
}
