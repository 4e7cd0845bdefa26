package dev.fovea.model.layer;

import dev.fovea.program.Value;

/** Vicuna is LLaMA with other weights. Touvron et al. 2023, arXiv:2302.13971, section 2.2. */
public record DecoderLayer(RmsNorm norm1, SelfAttention attention, RmsNorm norm2, SwiGlu mlp) {

  /** x [T,D] → [T,D]. */
  public Value apply(Value x, KvCache cache) {
    var h = x.plus(attention.apply(norm1.apply(x), cache)); // h = x + Attention(RMSNorm(x))
    return h.plus(mlp.apply(norm2.apply(h))); // y = h + MLP(RMSNorm(h))
  }
}
