package dev.fovea.op;

import static dev.fovea.op.Call.U;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.util.List;
import java.util.Set;

/** y = x · σ(1.702·x): the sigmoid approximation of GELU that CLIP was trained with. Hendrycks and Gimpel 2016, arXiv:1606.08415. */
public record QuickGelu() implements Op {
  private static final double SLOPE = 1.1; // |y'| stays below 1.0999

  @Override
  public String name() {
    return "quick_gelu";
  }

  @Override
  public List<String> inputs() {
    return List.of("x"); // x [N,F] → [N,F]
  }

  @Override
  public TensorType infer(Operands in) {
    return in.dtype(0, DType.F32).type(0);
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    for (int i = 0; i < x.length; i++) {
      double y = x[i] / (1 + Math.exp(-1.702 * x[i]));
      c.put(
          i,
          y,
          sigmoidError(1.702 * x[i]) * Math.abs(y)
              + Float.MIN_NORMAL * (1 + Math.abs(x[i]))
              + SLOPE * c.error(0, i));
    }
  }

  /** Relative error of a binary32 sigmoid at z: a few units for the function, and the rounded argument's |z|·u inside the exponential. */
  static double sigmoidError(double z) {
    return 0x1p-20 + 2 * U * Math.abs(z);
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0);
  }

  @Override
  public List<Case> cases() {
    return Gelu.cases(this);
  }
}
