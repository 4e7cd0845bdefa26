package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.util.Arrays;

/**
 * A tokenized prompt.
 *
 * @param ids    token ids, with {@link PromptEncoder#IMAGE} where a picture's features go, once per picture
 * @param images the index of each of those pictures, in order
 */
@SuppressWarnings(
    "ArrayRecordComponent") // handed straight to the engine; compare with Arrays.equals
public record PromptIds(int[] ids, int[] images) {

  /** The length once each picture takes as many positions as it has features. */
  public int length(int featuresPerImage) {
    return Math.addExact(ids.length, Math.multiplyExact(images.length, featuresPerImage - 1));
  }

  /** The ids with each picture's place repeated, as checkpoints with an image token write it. */
  public int[] expand(int featuresPerImage, int imageToken) {
    if (featuresPerImage < 1) {
      throw InputException.mismatch("features per image", "1 or more", featuresPerImage);
    }
    int[] out = new int[length(featuresPerImage)];
    int at = 0;
    for (int id : ids) {
      if (id == PromptEncoder.IMAGE) {
        Arrays.fill(out, at, at + featuresPerImage, imageToken);
        at += featuresPerImage;
      } else {
        out[at++] = id;
      }
    }
    return out;
  }
}
