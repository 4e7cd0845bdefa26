package dev.fovea.program;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How often each value of a program is read; an output counts as read once more. */
public final class Uses {
  private final Map<Value, Integer> counts = new HashMap<>();

  public Uses(Program program) {
    for (Node n : program.nodes()) {
      for (Value v : n.inputs()) {
        if (v != null) {
          counts.merge(v, 1, Integer::sum);
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
    return of(v) == 1 ? v.producer() : null;
  }
}
