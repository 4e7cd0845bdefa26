package dev.fovea.program;

import dev.fovea.op.FusedOp;
import dev.fovea.op.Op;
import dev.fovea.op.Operands;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Replaces compositions by fused ops where the target has a kernel for them. */
public final class Fuse {

  /** Whether the target can run an op on these types. */
  @FunctionalInterface
  public interface Support {
    boolean runs(Op op, List<@Nullable TensorType> in, TensorType out);
  }

  private Fuse() {}

  /** The same computation with every supported match of {@code candidates} replaced; the first candidate that matches wins. */
  public static Program apply(Program program, List<FusedOp> candidates, Support support) {
    Uses uses = new Uses(program);
    Map<Node, Match> matches = new HashMap<>();
    Set<Node> swallowed = new HashSet<>();
    for (Node node : program.nodes()) {
      for (FusedOp fused : candidates) {
        List<@Nullable Value> in = fused.match(node, uses);
        if (in == null || !runs(fused, in, support)) {
          continue;
        }
        matches.put(node, new Match(fused, in));
        swallow(node, new HashSet<>(in), swallowed);
        break;
      }
    }
    return rebuild(program, matches, swallowed);
  }

  private record Match(FusedOp op, List<@Nullable Value> in) {}

  private static boolean runs(FusedOp op, List<@Nullable Value> in, Support support) {
    List<@Nullable TensorType> types = new ArrayList<>();
    for (Value v : in) {
      types.add(v == null ? null : v.type());
    }
    return support.runs(op, types, op.infer(new Operands(op, types)));
  }

  /** Everything between the match's inputs and its last node disappears. */
  private static void swallow(Node node, Set<@Nullable Value> stop, Set<Node> swallowed) {
    for (Value v : node.inputs()) {
      if (v == null || stop.contains(v)) {
        continue;
      }
      Node producer = v.producer();
      if (producer != null) {
        swallowed.add(producer);
        swallow(producer, stop, swallowed);
      }
    }
  }

  private static Program rebuild(Program program, Map<Node, Match> matches, Set<Node> swallowed) {
    Trace trace = new Trace(program.name());
    Map<Value, Value> moved = new HashMap<>();
    for (Value v : program.sources()) {
      moved.put(v, trace.source(v.kind(), v.name(), v.type()));
    }
    for (Node node : program.nodes()) {
      if (swallowed.contains(node)) {
        continue;
      }
      Match match = matches.get(node);
      List<@Nullable Value> in = new ArrayList<>();
      for (Value v : match == null ? node.inputs() : match.in()) {
        in.add(v == null ? null : moved.get(v));
      }
      moved.put(node.out(), trace.apply(match == null ? node.op() : match.op(), in));
    }
    program.outputs().forEach((name, v) -> trace.output(name, moved.getOrDefault(v, v)));
    return trace.program();
  }
}
