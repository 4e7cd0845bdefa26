package dev.fovea.op;

import static dev.fovea.tensor.Axis.F;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** y = x/2 · (1 + erf(x/√2)): exact GELU, as LLaVA's projector has it. Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2. */
public record Gelu() implements Op {
  private static final double SLOPE = 1.13; // |y'| stays below 1.1290

  @Override
  public String name() {
    return "gelu";
  }

  @Override
  public List<String> inputs() {
    return List.of("x"); // x [M,D] → [M,D]
  }

  @Override
  public TensorType infer(Operands in) {
    return in.dtype(0, DType.F32).type(0);
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    for (int i = 0; i < x.length; i++) {
      // 1 + erf cancels for negative x, so the error is a few units of |x|, not of |y|.
      c.put(
          i,
          x[i] / 2 * erfc(-x[i] / Math.sqrt(2)),
          0x1p-20 * Math.abs(x[i]) + SLOPE * c.error(0, i));
    }
  }

  /**
   * The complementary error function, 1 − erf(x), to about 1e-15: the series of erf for |x| &lt; 2.5, else the continued fraction of
   * erfc (Abramowitz and Stegun 1964, formulas 7.1.6 and 7.1.14).
   */
  static double erfc(double x) {
    double a = Math.abs(x);
    if (a < 2.5) {
      double term = a;
      double sum = a;
      for (int n = 1; n < 100 && term > 1e-18 * sum; n++) {
        term *= 2 * a * a / (2 * n + 1);
        sum += term;
      }
      return 1 - Math.signum(x) * 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
    }
    double fraction = 0;
    for (int n = 80; n >= 1; n--) {
      fraction = n / 2.0 / (a + fraction);
    }
    double tail = Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction);
    return x > 0 ? tail : 2 - tail;
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0);
  }

  @Override
  public List<Case> cases() {
    return cases(this);
  }

  /** The cases of an elementwise function. */
  static List<Case> cases(Op op) {
    List<Case> cases = new ArrayList<>();
    for (int[] d : new int[][] {{1, 1}, {3, 17}, {5, 64}, {2, 1027}}) {
      cases.add(of(op, d[0], d[1], new Fill.Normal(2)));
    }
    cases.add(of(op, 64, 4096, new Fill.Normal(1)).asReal());
    cases.add(of(op, 3, 40, new Fill.Constant(0)));
    cases.add(of(op, 3, 40, new Fill.Normal(1e-20)));
    cases.add(of(op, 3, 40, new Fill.Normal(30)));
    cases.add(of(op, 3, 40, new Fill.Normal(1e9)));
    cases.add(of(op, 9, 24, new Fill.Normal(1)).live(4));
    return cases;
  }

  private static Case of(Op op, int rows, int width, Fill fill) {
    TensorType type = TensorType.f32(Shape.of(T, rows, F, width));
    return new Case(rows + "x" + width + " " + fill, op, List.of(type), List.of(fill));
  }
}
