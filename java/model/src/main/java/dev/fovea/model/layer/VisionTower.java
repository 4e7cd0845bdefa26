package dev.fovea.model.layer;

import dev.fovea.op.ConcatRows;
import dev.fovea.op.Patchify;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import java.util.List;

/**
 * CLIP's vision transformer up to a chosen layer. Radford et al. 2021, arXiv:2103.00020; which layer and which rows after Liu et al. 2023,
 * arXiv:2304.08485, section 4.1.
 *
 * @param embedPatch the patch convolution as a linear map: w [E,C·p·p], no bias
 * @param classToken [1,E]
 * @param positions [N,E]
 * @param blocks the blocks that are run: one less than CLIP has where features are taken from the last layer but one
 * @param keep which rows are features
 */
public record VisionTower(
    int patch,
    Linear embedPatch,
    Value classToken,
    Value positions,
    LayerNorm preNorm,
    List<VisionBlock> blocks,
    Keep keep) {

  /** The rows that go on to the projector. */
  public enum Keep {
    /** The patches: what LLaVA uses. */
    PATCH,
    /** The class token and the patches. */
    CLS_PATCH,
    /** The class token alone. */
    CLS
  }

  /** pixels [C,Y,X], normalised → features [P,E]. */
  public Value apply(Value pixels) {
    var trace = pixels.trace();
    var patches = embedPatch.apply(trace.apply(new Patchify(patch), pixels)); // [P,E]
    var x = trace.apply(new ConcatRows(), classToken, patches).plus(positions); // [N=1+P,E]
    x = preNorm.apply(x);
    for (var block : blocks) {
      x = block.apply(x);
    }
    int rows = x.dim(Axis.N);
    return switch (keep) {
      case PATCH -> x.rows(1, rows - 1);
      case CLS_PATCH -> x;
      case CLS -> x.rows(0, 1);
    };
  }
}
