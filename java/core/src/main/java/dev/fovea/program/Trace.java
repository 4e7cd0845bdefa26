package dev.fovea.program;

import dev.fovea.op.Op;
import dev.fovea.op.Operands;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Records what model code does when it runs on symbolic values. */
public final class Trace {
  private final String name;
  private final Map<String, Value> named = new LinkedHashMap<>();
  private final List<Node> nodes = new ArrayList<>();
  private final Map<String, Value> outputs = new LinkedHashMap<>();

  /** name: what the program is called in plans and errors. */
  public Trace(String name) {
    this.name = name;
  }

  public Value input(String name, TensorType type) {
    return source(Value.Kind.INPUT, name, type);
  }

  public Value weight(String name, TensorType type) {
    return source(Value.Kind.WEIGHT, name, type);
  }

  public Value state(String name, TensorType type) {
    return source(Value.Kind.STATE, name, type);
  }

  Value source(Value.Kind kind, String name, TensorType type) {
    Value v = new Value(this, kind, name, type, null);
    if (named.putIfAbsent(name, v) != null) {
      throw new IllegalArgumentException("two values are called " + name);
    }
    return v;
  }

  public Value apply(Op op, Value... in) {
    return apply(op, Arrays.asList(in));
  }

  /** Records one node; the op's shape rule decides the output's type or refuses. What it writes beside is told by {@link Node#written}. */
  public Value apply(Op op, List<@Nullable Value> in) {
    return record(op, in).out();
  }

  Node record(Op op, List<@Nullable Value> in) {
    for (Value v : in) {
      if (v != null) {
        own(v);
      }
    }
    Node node = new Node(op, in);
    TensorType type = op.infer(new Operands(op, node.inputTypes()));
    String name = "%" + nodes.size() + " " + op.name();
    Value out = new Value(this, name, type, node);
    List<Value> written = new ArrayList<>();
    for (int i : op.writes()) {
      written.add(new Value(this, name + " " + op.inputs().get(i), node.in(i).type(), node));
    }
    node.setOut(out, written);
    nodes.add(node);
    return node;
  }

  public void output(String name, Value value) {
    own(value);
    if (outputs.putIfAbsent(name, value) != null) {
      throw new IllegalArgumentException("two outputs are called " + name);
    }
  }

  private void own(Value v) {
    if (v.trace() != this) {
      throw new IllegalArgumentException(v + " was recorded by another trace than " + name);
    }
  }

  public Program program() {
    return new Program(
        name, List.copyOf(named.values()), List.copyOf(nodes), new LinkedHashMap<>(outputs));
  }
}
