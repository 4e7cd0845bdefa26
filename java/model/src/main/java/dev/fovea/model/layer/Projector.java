package dev.fovea.model.layer;

import dev.fovea.program.Value;
import java.util.List;

/**
 * From vision features to the decoder's width: one linear map (LLaVA v1, ChatSpot) or several with GELU between (LLaVA-1.5's mlp2x_gelu).
 * Liu et al. 2023, arXiv:2310.03744, section 3.3.
 *
 * @param gelu whether exact GELU stands between the maps; without it several maps are applied in a row
 */
public record Projector(List<Linear> maps, boolean gelu) {

  /** features [P,E] → [P,D]. */
  public Value apply(Value features) {
    var x = maps.getFirst().apply(features);
    for (var map : maps.subList(1, maps.size())) {
      x = map.apply(gelu ? x.gelu() : x);
    }
    return x;
  }
}
