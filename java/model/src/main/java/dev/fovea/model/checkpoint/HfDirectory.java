package dev.fovea.model.checkpoint;

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

/** A directory that transformers' LlavaForConditionalGeneration wrote. */
final class HfDirectory {
  private static final int LLAVA_IMAGE_SIZE = 336;

  private HfDirectory() {}

  static LoadedModel open(Path folder, Fields config, OpenOptions options) {
    String type = config.text("model_type", "llava");
    if (!type.equals("llava")) {
      throw config.wrong("model_type", "llava", type);
    }
    VisionConfig vision = Configs.vision(
        config.object("vision_config"),
        LLAVA_IMAGE_SIZE,
        config.integer("vision_feature_layer", -2),
        Configs.hfKeep(config));
    ProjectorConfig projector = Configs.hfProjector(config);
    DecoderConfig decoder = Configs.decoder(config.object("text_config"));
    Tokenizer tokenizer = Tokenizer.open(folder);
    Choices choices = choices(folder);
    LoadedModel.Description description = new LoadedModel.Description(
        "Hugging Face",
        new ModelConfig(vision, projector, decoder),
        tokenizer,
        choices.preprocessing(options, preprocessing(folder, vision)),
        choices.template(options, Template.HF_LLAVA),
        choices.regions(options, projector),
        PromptEncoder.ImageStyle.of(tokenizer));
    Packing packing = Configs.packing(config);
    Checkpoint checkpoint = Checkpoint.open(folder);
    try {
      return new LoadedModel(folder, description, new Weights(checkpoint, packing));
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private static Preprocessing preprocessing(Path folder, VisionConfig vision) {
    for (String name : new String[] {"preprocessor_config.json", "processor_config.json"}) {
      Path file = folder.resolve(name);
      if (Files.exists(file)
          && (name.startsWith("pre") || Fields.read(file).has("image_processor"))) {
        Preprocessing read = Preprocessing.read(file);
        if (read.size() != vision.imageSize()) {
          throw Fields.read(file)
              .wrong("size", "the tower's image_size " + vision.imageSize(), read.size());
        }
        return read;
      }
    }
    return Preprocessing.clip(ImageMode.CROP, vision.imageSize());
  }

  private static Choices choices(Path folder) {
    Path file = folder.resolve("fovea.json");
    if (!Files.exists(file)) {
      return Choices.NONE;
    }
    Fields f = Fields.read(file);
    return new Choices(f.text("template"), f.text("regions"), f.text("image_mode"));
  }
}
