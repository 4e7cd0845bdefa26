package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.prompt.PromptEncoder;
import dev.fovea.model.prompt.Template;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.Packing;
import dev.fovea.weights.Weights;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A directory as original LLaVA writes it; the CLIP tower is in it or in a directory of its own. */
final class LlavaDirectory {
  private LlavaDirectory() {}

  static LoadedModel open(Path folder, Fields config, OpenOptions options) {
    if (!config.has("mm_hidden_size")
        && !config.has("mm_vision_tower")
        && !config.has("mm_projector_type")) {
      throw new FileException(
          config.file(),
          "expected a LLaVA configuration (text_config and vision_config, or mm_vision_tower), found model_type "
              + config.text("model_type"));
    }
    List<Path> paths = new ArrayList<>(List.of(folder));
    Path tower = tower(folder, config, options);
    if (tower != null && holdsWeights(tower)) {
      paths.add(tower);
    }
    Packing packing = Configs.packing(config);
    Checkpoint checkpoint = Checkpoint.open(paths);
    try {
      Weights weights = new Weights(checkpoint, packing);
      if (!weights.has("vision.patch")) {
        throw new FileException(
            folder,
            "holds no vision tower: give the directory of "
                + config.text("mm_vision_tower", "its CLIP tower") + " with --vision-dir");
      }
      return new LoadedModel(folder, describe(folder, tower, config, options), weights);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private static LoadedModel.Description describe(
      Path folder, @Nullable Path tower, Fields config, OpenOptions options) {
    Fields clip = visionFields(tower);
    String name = config.text("mm_vision_tower", "");
    int size = name.contains("336") ? 336 : 224;
    Fields empty = config.object("no_such_object"); // ViT-L/14's numbers
    VisionConfig vision = Configs.vision(
        clip == null ? empty : clip,
        size,
        config.integer("mm_vision_select_layer", -2),
        Configs.llavaKeep(config));
    ProjectorConfig projector = Configs.llavaProjector(config);
    DecoderConfig decoder = Configs.decoder(config);
    boolean startEnd = config.flag("mm_use_im_start_end", false);
    Tokenizer tokenizer = Tokenizer.openSlow(folder);
    if (startEnd
        && (tokenizer.added("<im_start>") == null || tokenizer.added("<im_end>") == null)) {
      throw config.wrong(
          "mm_use_im_start_end", "false: the tokenizer has no <im_start> and <im_end>", true);
    }
    boolean pad = "pad".equals(config.text("image_aspect_ratio"));
    Preprocessing preprocessing =
        tower != null && Files.exists(tower.resolve("preprocessor_config.json"))
            ? Preprocessing.read(tower.resolve("preprocessor_config.json"))
            : Preprocessing.clip(ImageMode.CROP, vision.imageSize());
    return new LoadedModel.Description(
        "LLaVA",
        new ModelConfig(vision, projector, decoder),
        tokenizer,
        Choices.NONE.preprocessing(
            options, preprocessing.withMode(pad ? ImageMode.PAD : ImageMode.CROP)),
        Choices.NONE.template(options, Template.VICUNA_V1),
        Choices.NONE.regions(options, projector),
        startEnd
            ? PromptEncoder.ImageStyle.PIECEWISE_START_END
            : PromptEncoder.ImageStyle.PIECEWISE);
  }

  /** The tower's directory: the caller's, or one inside the checkpoint that its configuration names. */
  private static @Nullable Path tower(Path folder, Fields config, OpenOptions options) {
    String name = config.text("mm_vision_tower");
    if (options.vision() != null || name == null || !name.matches("[\\w.-]+")) {
      return options.vision();
    }
    Path inside = folder.resolve(name);
    return Files.isDirectory(inside) ? inside : null;
  }

  private static boolean holdsWeights(Path folder) {
    return Files.exists(folder.resolve("model.safetensors"))
        || Files.exists(folder.resolve("model.safetensors.index.json"));
  }

  /** The tower's dims from its own directory; a CLIPModel keeps them one level down. */
  private static @Nullable Fields visionFields(@Nullable Path tower) {
    if (tower == null || !Files.exists(tower.resolve("config.json"))) {
      return null;
    }
    Fields f = Fields.read(tower.resolve("config.json"));
    return f.has("vision_config") ? f.object("vision_config") : f;
  }
}
