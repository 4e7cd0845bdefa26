package dev.fovea.program;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Who reads each value of a program, and how often; an output counts as read once more. */
public final class Uses {
  private final Map<Value, Integer> counts = new HashMap<>();
  private final Map<Value, List<Node>> readers = new HashMap<>();

  public Uses(Program program) {
    for (Node n : program.nodes()) {
      for (Value v : n.inputs()) {
        if (v != null) {
          counts.merge(v, 1, Integer::sum);
          readers.computeIfAbsent(v, _ -> new ArrayList<>()).add(n);
        }
      }
    }
    for (Value v : program.outputs().values()) {
      counts.merge(v, 1, Integer::sum);
    }
  }

  public int of(Value v) {
    return counts.getOrDefault(v, 0);
  }

  /** The node that makes v, if v is read in one place only and so may vanish into a fused op; else null. */
  public @Nullable Node onlyHere(Value v) {
    Node producer = v.producer();
    return of(v) == 1 && producer != null && producer.out().equals(v) ? producer : null;
  }

  /** The nodes that read v, in order, each as often as it does. */
  public List<Node> readers(Value v) {
    return readers.getOrDefault(v, List.of());
  }

  /** The one node that reads v, if nobody else does; else null. */
  public @Nullable Node onlyReader(Value v) {
    return of(v) == 1 && readers(v).size() == 1 ? readers(v).getFirst() : null;
  }
}
