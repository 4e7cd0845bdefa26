package dev.fovea.model;

/**
 * Shape of the projector.
 *
 * @param maps number of linear maps
 * @param gelu exact GELU between them
 * @param bias whether the maps have biases
 */
public record ProjectorConfig(int maps, boolean gelu, boolean bias) {

  public ProjectorConfig {
    Check.between("projector depth", maps, 1, 8);
  }

  /** One linear map: LLaVA v1 and ChatSpot. */
  public static ProjectorConfig linear() {
    return new ProjectorConfig(1, false, true);
  }

  /** LLaVA-1.5's two maps with GELU between. */
  public static ProjectorConfig mlp2xGelu() {
    return new ProjectorConfig(2, true, true);
  }
}
