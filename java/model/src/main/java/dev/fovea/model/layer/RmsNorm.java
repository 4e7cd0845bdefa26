package dev.fovea.model.layer;

import dev.fovea.program.Value;

/** x [T,D] → [T,D]; see {@link dev.fovea.op.RmsNorm}. */
public record RmsNorm(Value g, double eps) {

  public Value apply(Value x) {
    return x.trace().apply(new dev.fovea.op.RmsNorm(eps), x, g);
  }
}
