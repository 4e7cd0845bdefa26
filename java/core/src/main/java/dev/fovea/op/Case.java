package dev.fovea.op;

import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One thing to check a kernel on, the same for every backend.
 *
 * @param name short, unique within the op
 * @param op the op with its attributes
 * @param in input types, null where absent
 * @param fill what goes into each input
 * @param live rows of the leading token axis that count; the whole axis if it equals its size
 * @param real whether these are dims of a real model, worth timing
 */
public record Case(
    String name, Op op, List<@Nullable TensorType> in, List<Fill> fill, int live, boolean real) {

  public Case {
    if (in.size() != fill.size() || in.size() != op.inputs().size()) {
      throw new IllegalArgumentException(
          op.name() + " case " + name + ": " + in.size() + " types, " + fill.size() + " fills");
    }
  }

  /** Every row live, not timed. */
  public Case(String name, Op op, List<@Nullable TensorType> in, List<Fill> fill) {
    this(name, op, in, fill, Integer.MAX_VALUE, false);
  }

  public Case live(int rows) {
    return new Case(name + " live " + rows, op, in, fill, rows, real);
  }

  public Case asReal() {
    return new Case(name, op, in, fill, live, true);
  }
}
