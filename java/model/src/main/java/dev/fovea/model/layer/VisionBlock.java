package dev.fovea.model.layer;

import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.E;
import static dev.fovea.tensor.Axis.H;

import dev.fovea.op.Attention;
import dev.fovea.program.Value;

/**
 * One block of CLIP's vision tower: pre-norm attention over all rows, then a feed-forward layer. Radford et al. 2021, arXiv:2103.00020,
 * section 2.4.
 *
 * @param exactGelu the erf form of GELU where a checkpoint says so; CLIP's own is the sigmoid form
 */
public record VisionBlock(
    LayerNorm norm1,
    Linear q,
    Linear k,
    Linear v,
    Linear o,
    int heads,
    LayerNorm norm2,
    Linear up,
    Linear down,
    boolean exactGelu) {

  /** x [N,E] → [N,E]. */
  public Value apply(Value x) {
    var h = x.plus(attend(norm1.apply(x)));
    var inner = up.apply(norm2.apply(h)); // [N,F]
    return h.plus(down.apply(exactGelu ? inner.gelu() : inner.quickGelu()));
  }

  private Value attend(Value x) {
    var queries = q.apply(x).splitHeads(H, heads); // [N,H,Dh]
    var keys = k.apply(x).splitHeads(H, heads);
    var values = v.apply(x).splitHeads(H, heads);
    var attention = new Attention(1 / Math.sqrt(queries.dim(DH)));
    return o.apply(x.trace().apply(attention, queries, keys, values).joinHeads(E));
  }
}
