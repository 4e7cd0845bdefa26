package dev.fovea.program;

import java.util.List;
import java.util.Map;

/**
 * A recorded computation.
 *
 * @param name what it is called in plans and errors
 * @param sources inputs, weights and state, in the order they were declared
 * @param nodes in an order that can be run
 * @param outputs results that a caller may read after a run, by name
 */
public record Program(
    String name, List<Value> sources, List<Node> nodes, Map<String, Value> outputs) {

  public List<Value> sources(Value.Kind kind) {
    return sources.stream().filter(v -> v.kind() == kind).toList();
  }

  /** One line per node, for people and for committed plan dumps. */
  @Override
  public String toString() {
    StringBuilder s = new StringBuilder(name).append('\n');
    for (Value v : sources) {
      s.append("  ")
          .append(v.kind().name().toLowerCase(java.util.Locale.ROOT))
          .append(' ')
          .append(v)
          .append('\n');
    }
    for (Node n : nodes) {
      s.append("  ").append(n.out()).append(" = ").append(n.op()).append('(');
      for (int i = 0; i < n.inputs().size(); i++) {
        Value v = n.inputs().get(i);
        s.append(i == 0 ? "" : ", ").append(v == null ? "_" : v.name());
      }
      s.append(")\n");
    }
    return s.toString();
  }
}
