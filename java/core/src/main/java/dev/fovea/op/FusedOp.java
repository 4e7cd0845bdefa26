package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An op that stands for several, defined as the composition it replaces: its reference runs that composition and carries the errors
 * along. A backend without a kernel for it runs the plain ops.
 */
public interface FusedOp extends Op {

  /** The composition, recorded on the inputs' trace. */
  Value expand(List<@Nullable Value> in);

  /** The inputs of this op if {@code last} ends a composition that it can replace, else null. */
  @Nullable
  List<@Nullable Value> match(Node last, Uses uses);

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
    Value last = expand(values);
    trace.output("y", last);
    Program program = trace.program();
    for (Node node : program.nodes()) {
      TensorType type = node.out().type();
      double[] y = new double[(int) type.shape().elements()];
      double[] bound = new double[y.length];
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
      errors.put(node.out(), bound);
    }
    double[] y = numbers.getOrDefault(last, new double[0]);
    double[] bound = errors.getOrDefault(last, new double[0]);
    for (int i = 0; i < y.length; i++) {
      c.put(i, y[i], bound[i]);
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
