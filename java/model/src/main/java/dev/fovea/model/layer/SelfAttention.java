package dev.fovea.model.layer;

import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.H;
import static dev.fovea.tensor.Axis.KH;

import dev.fovea.op.Rope;
import dev.fovea.program.Value;

/**
 * Causal self-attention with rotary positions and, where keyHeads &lt; heads, grouped queries. Touvron et al. 2023, arXiv:2302.13971,
 * section 2.2; Ainslie et al. 2023, arXiv:2305.13245.
 */
public record SelfAttention(
    Linear q, Linear k, Linear v, Linear o, int heads, int keyHeads, Rope rope) {

  /** x [T,D] → [T,D]. */
  public Value apply(Value x, KvCache cache) {
    var queries = turn(q.apply(x).splitHeads(H, heads), cache); // [T,H,Dh]
    var keys = turn(k.apply(x).splitHeads(KH, keyHeads), cache); // [T,Hk,Dh]
    var values = v.apply(x).splitHeads(KH, keyHeads); // [T,Hk,Dh]
    var scale = 1 / Math.sqrt(queries.dim(DH));
    return o.apply(cache.append(keys, values).attend(queries, scale).joinHeads(D));
  }

  private Value turn(Value x, KvCache cache) {
    return x.trace().apply(rope, x, cache.pos());
  }
}
