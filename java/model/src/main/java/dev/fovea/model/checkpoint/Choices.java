package dev.fovea.model.checkpoint;

import dev.fovea.error.InputException;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.prompt.RegionPreset;
import dev.fovea.model.prompt.Template;
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Settings that no standard file holds: the caller's word first, then what the checkpoint itself says, then what its family was trained
 * with. A Hugging Face directory of ours says it in {@code fovea.json}, a GGUF file in metadata {@code fovea.*}.
 *
 * @param template name, or null
 * @param regions name, or null
 * @param imageMode label, or null
 */
record Choices(
    @Nullable String template,
    @Nullable String regions,
    @Nullable String imageMode) {
  static final Choices NONE = new Choices(null, null, null);

  Template template(OpenOptions options, Template otherwise) {
    String name = options.template() != null ? options.template() : template;
    return name == null ? otherwise : Template.named(name);
  }

  /** LLaVA-1.5 was trained with its own form of regions; models with a linear projector are taken for ChatSpot's kin. */
  RegionPreset regions(OpenOptions options, ProjectorConfig projector) {
    String name = options.regions() != null ? options.regions() : regions;
    if (name != null) {
      return RegionPreset.named(name);
    }
    return projector.maps() == 1 ? RegionPreset.CHATSPOT : RegionPreset.LLAVA15;
  }

  Preprocessing preprocessing(OpenOptions options, Preprocessing otherwise) {
    ImageMode mode = options.imageMode();
    if (mode == null && imageMode != null) {
      mode = parse(imageMode);
    }
    return mode == null ? otherwise : otherwise.withMode(mode);
  }

  private static ImageMode parse(String label) {
    for (ImageMode m : ImageMode.values()) {
      if (m.name().toLowerCase(Locale.ROOT).equals(label)) {
        return m;
      }
    }
    throw InputException.mismatch(
        "image_mode",
        Arrays.stream(ImageMode.values())
            .map(m -> m.name().toLowerCase(Locale.ROOT))
            .toList(),
        label);
  }
}
