package dev.fovea.op;

import dev.fovea.program.Value;

/** y = gelu(x·Wᵀ + b): the first half of LLaVA's two-layer projector. */
public record LinearGelu() implements LinearActivation {

  @Override
  public String name() {
    return "linear_gelu";
  }

  @Override
  public Value activate(Value y) {
    return y.gelu();
  }

  @Override
  public boolean activates(Op op) {
    return op instanceof Gelu;
  }
}
