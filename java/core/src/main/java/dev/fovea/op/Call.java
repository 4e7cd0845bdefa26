package dev.fovea.op;

import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One run of an op's definition: inputs as doubles, and for each output element its value and the largest error a kernel may make.
 * Inputs may carry errors of their own (inside a fused op); definitions that can be fused pass them on to first order.
 */
public final class Call {
  /** Unit roundoff of binary32. */
  public static final double U = 0x1p-24;

  /** Unit roundoff of binary16. */
  public static final double HALF = 0x1p-11;

  /** Half of binary16's smallest step, as a share of the largest number where that has been scaled into [1, 2). */
  public static final double HALF_TINY = 0x1p-25;

  private final List<@Nullable TensorType> types;
  private final List<double @Nullable []> in;
  private final List<double @Nullable []> errors;
  private final TensorType outType;
  private final double[] out;
  private final double[] bounds;

  /**
   * @param in decoded inputs, null where absent
   * @param errors bounds on the inputs' errors, null where exact
   * @param out where the output goes; for an op that writes state, the state itself
   * @param bounds as long as {@code out}
   */
  public Call(
      List<@Nullable TensorType> types,
      List<double @Nullable []> in,
      List<double @Nullable []> errors,
      TensorType outType,
      double[] out,
      double[] bounds) {
    this.types = types;
    this.in = in;
    this.errors = errors;
    this.outType = outType;
    this.out = out;
    this.bounds = bounds;
  }

  public boolean has(int i) {
    return types.get(i) != null;
  }

  public double[] in(int i) {
    double[] x = in.get(i);
    if (x == null) {
      throw new IllegalStateException("input " + i + " is absent");
    }
    return x;
  }

  public TensorType type(int i) {
    TensorType t = types.get(i);
    if (t == null) {
      throw new IllegalStateException("input " + i + " is absent");
    }
    return t;
  }

  public Shape shape(int i) {
    return type(i).shape();
  }

  /** Bound on the error of element j of input i; 0 for an exact input. */
  public double error(int i, int j) {
    double[] e = errors.get(i);
    return e == null ? 0 : e[j];
  }

  public TensorType outType() {
    return outType;
  }

  /** Sets an output element, rounded to the output's type, and the error allowed for it. */
  public void put(int i, double value, double bound) {
    out[i] = round(outType.dtype(), value);
    bounds[i] = bound;
  }

  /** γ(n) = n·u: the relative error of a sum of n terms in binary32, in any order, to first order. Higham 2002, section 4.2. */
  public static double gamma(double n) {
    return n * U;
  }

  /** The nearest number that {@code dtype} holds. */
  public static double round(DType dtype, double value) {
    return switch (dtype) {
      case F32 -> (float) value;
      case F16 -> Float.float16ToFloat(Float.floatToFloat16((float) value));
      case BF16 -> Float.intBitsToFloat(Blocks.bf16((float) value) << 16);
      case I32, Q8_0, Q4_0, Q4_G128 -> value;
    };
  }
}
