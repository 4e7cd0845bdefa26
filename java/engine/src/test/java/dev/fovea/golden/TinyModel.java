package dev.fovea.golden;

import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;

/** A model of a few thousand weights for tests that compare Fovea with itself. */
public final class TinyModel {
  public static final ModelConfig CONFIG = new ModelConfig(
      new VisionConfig(28, 14, 64, 1, 96, 2, 1, 1e-5, false, VisionTower.Keep.PATCH),
      ProjectorConfig.mlp2xGelu(),
      new DecoderConfig(64, 96, 2, 2, 1, 32, 96, 128, 1e-5, 1e4, 1, false));

  private TinyModel() {}

  public static ParameterSource parameters(Arena arena, DType dtype) {
    return new FormulaWeights(arena, 11, dtype);
  }
}
