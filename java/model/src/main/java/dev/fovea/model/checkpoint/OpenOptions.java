package dev.fovea.model.checkpoint;

import dev.fovea.model.image.ImageMode;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What the caller knows better than the files.
 *
 * @param vision folder of a separate CLIP tower
 * @param mmproj vision and projector file of a GGUF pair
 * @param template name of a conversation template
 * @param regions name of a referring-prompt preset
 * @param imageMode how pictures become squares
 */
public record OpenOptions(
    @Nullable Path vision,
    @Nullable Path mmproj,
    @Nullable String template,
    @Nullable String regions,
    @Nullable ImageMode imageMode) {
  public static final OpenOptions NONE = new OpenOptions(null, null, null, null, null);
}
