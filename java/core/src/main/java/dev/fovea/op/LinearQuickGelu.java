package dev.fovea.op;

import dev.fovea.program.Value;

/** y = quick_gelu(x·Wᵀ + b): the first half of CLIP's feed-forward layer. */
public record LinearQuickGelu() implements LinearActivation {

  @Override
  public String name() {
    return "linear_quick_gelu";
  }

  @Override
  public Value activate(Value y) {
    return y.quickGelu();
  }

  @Override
  public boolean activates(Op op) {
    return op instanceof QuickGelu;
  }
}
