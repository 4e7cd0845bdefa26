package dev.fovea.model.layer;

import dev.fovea.program.Value;

/** x [N,E] → [N,E]; see {@link dev.fovea.op.LayerNorm}. */
public record LayerNorm(Value g, Value b, double eps) {

  public Value apply(Value x) {
    return x.trace().apply(new dev.fovea.op.LayerNorm(eps), x, g, b);
  }
}
