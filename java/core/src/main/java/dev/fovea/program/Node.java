package dev.fovea.program;

import dev.fovea.op.Op;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One application of an op in a program. */
public final class Node {
  private final Op op;
  private final List<@Nullable Value> inputs;
  private @Nullable Value out;
  private List<Value> written = List.of();

  Node(Op op, List<@Nullable Value> inputs) {
    this.op = op;
    this.inputs = Collections.unmodifiableList(new ArrayList<>(inputs));
  }

  void setOut(Value value, List<Value> states) {
    out = value;
    written = List.copyOf(states);
  }

  public Op op() {
    return op;
  }

  /** In the op's order; null where an optional input is absent. */
  public List<@Nullable Value> inputs() {
    return inputs;
  }

  /** The i-th input, which must be present. */
  public Value in(int i) {
    Value v = inputs.get(i);
    if (v == null) {
      throw new IllegalStateException(op.name() + ": input " + op.inputs().get(i) + " is absent");
    }
    return v;
  }

  public Value out() {
    Value v = out;
    if (v == null) {
      throw new IllegalStateException("node without output");
    }
    return v;
  }

  /** The states in the op's {@link Op#writes} as they are after this node: read these, so as to come behind it. */
  public List<Value> written() {
    return written;
  }

  /** The output, then the states written. */
  public List<Value> made() {
    List<Value> made = new ArrayList<>(List.of(out()));
    made.addAll(written);
    return made;
  }

  public List<@Nullable TensorType> inputTypes() {
    List<@Nullable TensorType> types = new ArrayList<>();
    for (Value v : inputs) {
      types.add(v == null ? null : v.type());
    }
    return types;
  }

  /** Element types, the key of the kernel table: {@code f32,q4_0,_->f32}. */
  public String signature() {
    return signature(inputTypes(), out().type());
  }

  public static String signature(List<@Nullable TensorType> in, TensorType out) {
    StringBuilder s = new StringBuilder();
    for (TensorType t : in) {
      s.append(s.isEmpty() ? "" : ",").append(t == null ? "_" : t.dtype().label());
    }
    return s.append("->").append(out.dtype().label()).toString();
  }
}
