package dev.fovea.program;

import dev.fovea.op.FusedOp;
import dev.fovea.op.Op;
import dev.fovea.op.Operands;
import dev.fovea.op.View;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Replaces compositions by fused ops where the target has a kernel for them. */
public final class Fuse {

  /** Whether the target can run an op on these types. */
  @FunctionalInterface
  public interface Support {
    boolean runs(Op op, List<@Nullable TensorType> in, TensorType out);
  }

  private final Program program;
  private final Map<Node, Integer> order = new HashMap<>();
  /** Fused ops, by the last of the nodes each replaces: there it stands. */
  private final Map<Node, FusedOp.Match> matches = new HashMap<>();
  /** The other nodes they replace. */
  private final Set<Node> swallowed = new HashSet<>();

  private Fuse(Program program) {
    this.program = program;
    for (Node node : program.nodes()) {
      order.put(node, order.size());
    }
  }

  /** The same computation with every supported match of {@code candidates} replaced; the first candidate that matches wins. */
  public static Program apply(Program program, List<FusedOp> candidates, Support support) {
    Uses uses = new Uses(program);
    Fuse fuse = new Fuse(program);
    for (Node node : program.nodes()) {
      for (FusedOp fused : candidates) {
        FusedOp.Match match = fused.match(node, uses);
        if (match != null && fits(match, support) && fuse.replace(match, uses)) {
          break;
        }
      }
    }
    return fuse.rebuild();
  }

  /** Whether the op makes what it replaces, and the target has a kernel. */
  private static boolean fits(FusedOp.Match match, Support support) {
    List<@Nullable TensorType> types = new ArrayList<>();
    for (Value v : match.in()) {
      types.add(v == null ? null : v.type());
    }
    TensorType out = match.op().infer(new Operands(match.op(), types));
    TensorType replaced = match.replaced().getFirst().type();
    return out.dtype() == replaced.dtype()
        && out.shape().sameSizes(replaced.shape())
        && support.runs(match.op(), types, out);
  }

  /** Takes a match in unless its nodes cannot be moved to where the last of them stands. */
  private boolean replace(FusedOp.Match match, Uses uses) {
    Set<Node> nodes = new HashSet<>();
    for (Value v : match.replaced()) {
      collect(v, new HashSet<>(match.in()), nodes);
    }
    int first = program.nodes().size();
    int last = -1;
    for (Node n : nodes) {
      if (swallowed.contains(n) || matches.containsKey(n)) {
        return false;
      }
      first = Math.min(first, at(n));
      last = Math.max(last, at(n));
    }
    Node end = program.nodes().get(last);
    if (!hides(match, nodes, uses)) {
      return false;
    }
    Set<Value> read = new HashSet<>();
    for (Value v : match.in()) {
      if (v != null) {
        read.add(root(v));
      }
    }
    Set<Value> written = new HashSet<>();
    for (int i : match.op().writes()) {
      written.add(root(Objects.requireNonNull(match.in().get(i))));
    }
    // Nobody in between may read what is now made later, or change what is now read later.
    for (Node between : program.nodes().subList(first, last)) {
      if (nodes.contains(between)) {
        continue;
      }
      for (Value v : between.inputs()) {
        if (v != null && (match.replaced().contains(v) || written.contains(root(v)))) {
          return false;
        }
      }
      for (Value v : between.made()) {
        if (v.alias() != null && !(between.op() instanceof View) && read.contains(root(v))) {
          return false;
        }
      }
    }
    nodes.remove(end);
    swallowed.addAll(nodes);
    matches.put(end, match);
    return true;
  }

  /** Whether nobody else reads what is made on the way. */
  private static boolean hides(FusedOp.Match match, Set<Node> nodes, Uses uses) {
    for (Node node : nodes) {
      for (Value v : node.made()) {
        if (!match.replaced().contains(v)
            && (uses.of(v) != uses.readers(v).size() || !nodes.containsAll(uses.readers(v)))) {
          return false;
        }
      }
    }
    return true;
  }

  /** The nodes between a match's inputs and v. */
  private static void collect(Value v, Set<@Nullable Value> stop, Set<Node> nodes) {
    Node producer = v.producer();
    if (producer == null || stop.contains(v) || !nodes.add(producer)) {
      return;
    }
    for (Value in : producer.inputs()) {
      if (in != null) {
        collect(in, stop, nodes);
      }
    }
  }

  private int at(Node node) {
    return order.getOrDefault(node, -1);
  }

  /** The value whose memory v is. */
  private static Value root(Value v) {
    Value alias = v.alias();
    return alias == null ? v : root(alias);
  }

  private Program rebuild() {
    Trace trace = new Trace(program.name());
    Map<Value, Value> moved = new HashMap<>();
    for (Value v : program.sources()) {
      moved.put(v, trace.source(v.kind(), v.name(), v.type()));
    }
    for (Node node : program.nodes()) {
      if (swallowed.contains(node)) {
        continue;
      }
      FusedOp.Match match = matches.get(node);
      List<@Nullable Value> in = new ArrayList<>();
      for (Value v : match == null ? node.inputs() : match.in()) {
        in.add(v == null ? null : moved.get(v));
      }
      Op op = match == null ? node.op() : match.op();
      List<Value> made = trace.record(op, in).made();
      List<Value> replaced = match == null ? node.made() : match.replaced();
      for (int i = 0; i < replaced.size(); i++) {
        moved.put(replaced.get(i), made.get(i));
      }
    }
    program.outputs().forEach((name, v) -> trace.output(name, moved.getOrDefault(v, v)));
    return trace.program();
  }
}
