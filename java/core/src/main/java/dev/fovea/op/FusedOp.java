package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Trace;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An op that stands for several, defined as the composition it replaces: its reference runs that composition and carries the errors
 * along. A backend without a kernel for it runs the plain ops.
 */
public interface FusedOp extends Op {
  /** In place of a bound: the element of a state that was not written. */
  double UNTOUCHED = -1;

  /** The composition, recorded on the inputs' trace: the output, then what it makes of each state in {@link #writes}. */
  List<Value> expand(List<@Nullable Value> in);

  /**
   * A composition found in a program.
   *
   * @param op what can replace it, with the attributes found
   * @param in the op's inputs
   * @param replaced what the composition makes, in the order of {@link #expand}
   */
  record Match(FusedOp op, List<@Nullable Value> in, List<Value> replaced) {}

  /** The composition that {@code node} belongs to, if it is the one that this op is looked for by; else null. */
  @Nullable
  Match match(Node node, Uses uses);

  @Override
  default void reference(Call c) {
    Trace trace = new Trace(name());
    List<@Nullable Value> values = new ArrayList<>();
    Map<Value, double[]> numbers = new HashMap<>();
    Map<Value, double[]> errors = new HashMap<>();
    for (int i = 0; i < inputs().size(); i++) {
      if (!c.has(i)) {
        values.add(null);
        continue;
      }
      Value v = trace.input(inputs().get(i), c.type(i));
      values.add(v);
      numbers.put(v, c.in(i));
    }
    List<Value> made = expand(values);
    Map<Value, double[]> bounds = new HashMap<>();
    for (Node node : trace.program().nodes()) {
      TensorType type = node.out().type();
      double[] y = new double[(int) type.shape().elements()];
      double[] bound = new double[y.length];
      if (node.op().aliasOf() >= 0 && !(node.op() instanceof View)) {
        y = Arrays.copyOf(
            Objects.requireNonNull(numbers.get(node.in(node.op().aliasOf()))), y.length);
        Arrays.fill(bound, UNTOUCHED);
      }
      List<double @Nullable []> in = new ArrayList<>();
      List<double @Nullable []> inErrors = new ArrayList<>();
      for (Value v : node.inputs()) {
        in.add(v == null ? null : numbers.get(v));
        inErrors.add(v == null ? null : errors.get(v));
      }
      // Values in between are rounded to binary32 as if stored; that half unit is inside each op's
      // bound.
      node.op().reference(new Call(node.inputTypes(), in, inErrors, type, y, bound));
      numbers.put(node.out(), y);
      bounds.put(node.out(), bound);
      errors.put(node.out(), Arrays.stream(bound).map(b -> Math.max(b, 0)).toArray());
    }
    for (int n = 0; n < made.size(); n++) {
      double[] y = Objects.requireNonNull(numbers.get(made.get(n)));
      double[] bound = Objects.requireNonNull(bounds.get(made.get(n)));
      for (int i = 0; i < y.length; i++) {
        if (bound[i] == UNTOUCHED) {
          continue;
        }
        if (n == 0) {
          c.put(i, y[i], bound[i]);
        } else {
          c.write(n - 1, i, y[i], bound[i]);
        }
      }
    }
  }

  /** The i-th input, which must be there. */
  static Value present(List<@Nullable Value> in, int i) {
    Value v = in.get(i);
    if (v == null) {
      throw new IllegalArgumentException("input " + i + " is absent");
    }
    return v;
  }
}
