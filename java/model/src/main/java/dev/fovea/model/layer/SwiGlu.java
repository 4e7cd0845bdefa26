package dev.fovea.model.layer;

import dev.fovea.program.Value;

/** LLaMA's feed-forward layer. Shazeer 2020, arXiv:2002.05202, equation 6, without biases. */
public record SwiGlu(Linear gate, Linear up, Linear down) {

  /** x [T,D] → [T,D]. */
  public Value apply(Value x) {
    return down.apply(gate.apply(x).siluMul(up.apply(x))); // W₂(silu(W₁x) · W₃x)
  }
}
