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

  /**
   * Where numbers go.
   *
   * @param type of the output, or of a state
   * @param values where the numbers go; a state's own numbers
   * @param bounds as long as {@code values}
   */
  @SuppressWarnings("ArrayRecordComponent") // written to, never compared
  public record Target(TensorType type, double[] values, double[] bounds) {
    void put(int i, double value, double bound) {
      values[i] = round(type.dtype(), value);
      bounds[i] = bound;
    }
  }

  private final List<@Nullable TensorType> types;
  private final List<double @Nullable []> in;
  private final List<double @Nullable []> errors;
  private final List<Target> targets;

  /**
   * @param in decoded inputs, null where absent
   * @param errors bounds on the inputs' errors, null where exact
   * @param targets the output (the state itself, where that is the output), then each state in {@link Op#writes}
   */
  public Call(
      List<@Nullable TensorType> types,
      List<double @Nullable []> in,
      List<double @Nullable []> errors,
      List<Target> targets) {
    this.types = types;
    this.in = in;
    this.errors = errors;
    this.targets = targets;
  }

  /** A run that writes its output alone. */
  public Call(
      List<@Nullable TensorType> types,
      List<double @Nullable []> in,
      List<double @Nullable []> errors,
      TensorType outType,
      double[] out,
      double[] bounds) {
    this(types, in, errors, List.of(new Target(outType, out, bounds)));
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
    return targets.getFirst().type();
  }

  /** Sets an output element, rounded to the output's type, and the error allowed for it. */
  public void put(int i, double value, double bound) {
    targets.getFirst().put(i, value, bound);
  }

  /** Sets an element of the n-th state in {@link Op#writes}, likewise. */
  public void write(int n, int i, double value, double bound) {
    targets.get(1 + n).put(i, value, bound);
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
      case I32, U8, Q8_0, Q4_0, Q4_G128 -> value;
    };
  }
}
