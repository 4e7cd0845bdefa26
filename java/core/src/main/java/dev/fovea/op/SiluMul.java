package dev.fovea.op;

import static dev.fovea.tensor.Axis.F;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** y = silu(g) · u with silu(v) = v·σ(v): the gate of SwiGLU. Shazeer 2020, arXiv:2002.05202, equation 6. */
public record SiluMul() implements Op {
  private static final double SLOPE = 1.1; // |silu'| stays below 1.0999

  @Override
  public String name() {
    return "silu_mul";
  }

  @Override
  public List<String> inputs() {
    return List.of("g", "u"); // g [T,F], u [T,F] → [T,F]
  }

  @Override
  public TensorType infer(Operands in) {
    in.dtype(0, DType.F32).dtype(1, DType.F32);
    in.require(in.shape(0).sameSizes(in.shape(1)), "g and u must have the same sizes");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    double[] g = c.in(0);
    double[] u = c.in(1);
    for (int i = 0; i < g.length; i++) {
      double silu = g[i] / (1 + Math.exp(-g[i]));
      double gError = SLOPE * c.error(0, i);
      double bound = QuickGelu.sigmoidError(g[i]) * Math.abs(silu * u[i])
          + Float.MIN_NORMAL * (1 + Math.abs(g[i])) * (1 + Math.abs(u[i]))
          + gError * Math.abs(u[i])
          + c.error(1, i) * (Math.abs(silu) + gError);
      c.put(i, silu * u[i], bound);
    }
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0, 1);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int[] d : new int[][] {{1, 1}, {3, 17}, {5, 64}, {2, 1027}}) {
      cases.add(of(d[0], d[1], new Fill.Normal(2)));
    }
    cases.add(of(1, 11008, new Fill.Normal(1)).asReal());
    cases.add(of(3, 40, new Fill.Constant(0)));
    cases.add(of(3, 40, new Fill.Normal(1e-15)));
    cases.add(of(3, 40, new Fill.Normal(50)));
    cases.add(of(9, 24, new Fill.Normal(1)).live(4));
    return cases;
  }

  private static Case of(int rows, int width, Fill fill) {
    TensorType type = TensorType.f32(Shape.of(T, rows, F, width));
    return new Case(
        rows + "x" + width + " " + fill,
        new SiluMul(),
        List.of(type, type),
        List.of(fill, new Fill.Normal(1)));
  }
}
