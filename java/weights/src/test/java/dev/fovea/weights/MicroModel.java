package dev.fovea.weights;

import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.convert.TokenizerDescription;
import java.util.List;

/** The smallest model that has every kind of tensor, with either projector. */
public final class MicroModel {
  public static final ModelShape MLP = new ModelShape(
      "micro",
      new ModelShape.Text(48, 64, 96, 2, 2, 1, 32, 1e-5, 10000, 128),
      new ModelShape.Vision(32, 64, 3, 2, 14, 28, 1e-5, ModelShape.CLIP_MEAN, ModelShape.CLIP_STD),
      false,
      2);
  public static final ModelShape LINEAR =
      new ModelShape("micro", MLP.text(), MLP.vision(), true, 2);
  public static final TokenizerDescription TOKENIZER = new TokenizerDescription(
      List.of("<unk>", "<s>", "</s>", "▁a"),
      List.of(0f, 0f, 0f, -1f),
      List.of(2, 3, 3, 1),
      1,
      2,
      0,
      -1,
      true,
      false,
      "{{ x }}");

  private MicroModel() {}
}
