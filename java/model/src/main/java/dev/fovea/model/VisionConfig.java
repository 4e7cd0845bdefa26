package dev.fovea.model;

import dev.fovea.error.InputException;
import dev.fovea.model.layer.VisionTower;

/**
 * Dims of a CLIP vision tower.
 *
 * @param imageSize side of the square input in pixels
 * @param patch side of a patch in pixels
 * @param width E
 * @param ffn F
 * @param layers blocks that the checkpoint describes
 * @param run blocks that are run before features are taken
 * @param eps of its layer norms
 * @param exactGelu erf GELU in place of CLIP's sigmoid form
 */
public record VisionConfig(
    int imageSize,
    int patch,
    int width,
    int heads,
    int ffn,
    int layers,
    int run,
    double eps,
    boolean exactGelu,
    VisionTower.Keep keep) {

  public VisionConfig {
    Check.between("vision image_size", imageSize, 1, 4096);
    Check.between("vision patch_size", patch, 1, imageSize);
    Check.between("vision hidden_size", width, 1, 1 << 16);
    Check.between("vision num_attention_heads", heads, 1, width);
    Check.between("vision intermediate_size", ffn, 1, 1 << 18);
    Check.between("vision num_hidden_layers", layers, 1, 1000);
    Check.between("vision blocks run", run, 0, layers);
    Check.epsilon("vision layer_norm_eps", eps);
    if (width % heads != 0) {
      throw InputException.mismatch(
          "vision hidden_size", "a multiple of its " + heads + " heads", width);
    }
    if (imageSize % patch != 0) {
      throw InputException.mismatch(
          "vision image_size", "a multiple of patch_size " + patch, imageSize);
    }
  }

  /** Patches of one picture. */
  public int patches() {
    return (imageSize / patch) * (imageSize / patch);
  }

  /** Feature rows of one picture. */
  public int features() {
    return switch (keep) {
      case PATCH -> patches();
      case CLS_PATCH -> patches() + 1;
      case CLS -> 1;
    };
  }

  /** How many blocks to run for a feature layer as configurations count it: −2 is the output of the last block but one. */
  public static int blocksFor(int featureLayer, int layers) {
    return featureLayer < 0 ? layers + 1 + featureLayer : featureLayer;
  }
}
