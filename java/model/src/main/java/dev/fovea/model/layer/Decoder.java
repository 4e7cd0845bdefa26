package dev.fovea.model.layer;

import dev.fovea.op.Embed;
import dev.fovea.op.TakeRows;
import dev.fovea.program.Value;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** LLaMA from token ids to logits, with picture features spliced in where ids are negative. */
public record Decoder(Value embedding, List<DecoderLayer> layers, RmsNorm norm, Linear head) {

  /**
   * ids [T], image [M,D] → logits [R,V].
   *
   * @param image features that ids −1, −2, … refer to; null if the program serves text only
   * @param rows [R] the rows of T whose logits are wanted; null for all of them, in order: [T,V]
   * @param caches one per layer
   */
  public Value apply(Value ids, @Nullable Value image, @Nullable Value rows, List<KvCache> caches) {
    var x = ids.trace().apply(new Embed(), java.util.Arrays.asList(ids, embedding, image)); // [T,D]
    for (int i = 0; i < layers.size(); i++) {
      x = layers.get(i).apply(x, caches.get(i));
    }
    var last = rows == null ? x : x.trace().apply(new TakeRows(), x, rows); // [R,D]
    return head.apply(norm.apply(last)); // [R,V]
  }
}
