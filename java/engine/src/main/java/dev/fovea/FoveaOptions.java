package dev.fovea;

import dev.fovea.error.InputException;
import dev.fovea.model.image.ImageMode;
import dev.fovea.tensor.DType;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How to open a model. Start from {@link #DEFAULT} and change what matters with the {@code with…} methods.
 *
 * @param backend {@code auto} or a backend's name; a named one that cannot run is an error, never replaced by another
 * @param threads threads of the cpu backend; 0 for the physical cores this process may use
 * @param tier highest instruction set of the cpu backend; null for the best
 * @param context positions of one conversation; 0 for what the model was trained for, at most 4096
 * @param kvType element type of the key-value cache, F32 or F16; null for F32 where the weights are F32, else F16
 * @param vision folder of a separate CLIP tower, for original LLaVA checkpoints that do not hold it; null if there is none
 * @param mmproj vision and projector file of a GGUF pair; null to look beside the model file
 * @param template name of a conversation template; null for the model's own
 * @param regions name of a referring-prompt preset; null for the model's own
 * @param imageMode how pictures become squares; null for the model's own
 * @param exif turn pictures as their EXIF orientation says
 */
public record FoveaOptions(
    String backend,
    int threads,
    @Nullable String tier,
    int context,
    @Nullable DType kvType,
    @Nullable Path vision,
    @Nullable Path mmproj,
    @Nullable String template,
    @Nullable String regions,
    @Nullable ImageMode imageMode,
    boolean exif) {

  public static final FoveaOptions DEFAULT =
      new FoveaOptions("auto", 0, null, 0, null, null, null, null, null, null, false);

  public FoveaOptions {
    if (context < 0 || context > 1 << 20) {
      throw InputException.mismatch("context", "0 (the model's) to " + (1 << 20), context);
    }
    if (kvType != null && kvType != DType.F32 && kvType != DType.F16) {
      throw InputException.mismatch("key-value cache type", "f32 or f16", kvType.label());
    }
  }

  public FoveaOptions withBackend(String name) {
    return new FoveaOptions(
        name, threads, tier, context, kvType, vision, mmproj, template, regions, imageMode, exif);
  }

  public FoveaOptions withThreads(int count) {
    return new FoveaOptions(
        backend, count, tier, context, kvType, vision, mmproj, template, regions, imageMode, exif);
  }

  public FoveaOptions withTier(@Nullable String label) {
    return new FoveaOptions(
        backend, threads, label, context, kvType, vision, mmproj, template, regions, imageMode,
        exif);
  }

  public FoveaOptions withContext(int positions) {
    return new FoveaOptions(
        backend, threads, tier, positions, kvType, vision, mmproj, template, regions, imageMode,
        exif);
  }

  public FoveaOptions withKvType(@Nullable DType type) {
    return new FoveaOptions(
        backend, threads, tier, context, type, vision, mmproj, template, regions, imageMode, exif);
  }

  public FoveaOptions withVision(@Nullable Path folder) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, folder, mmproj, template, regions, imageMode,
        exif);
  }

  public FoveaOptions withMmproj(@Nullable Path file) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, vision, file, template, regions, imageMode, exif);
  }

  public FoveaOptions withTemplate(@Nullable String name) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, vision, mmproj, name, regions, imageMode, exif);
  }

  public FoveaOptions withRegions(@Nullable String preset) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, vision, mmproj, template, preset, imageMode, exif);
  }

  public FoveaOptions withImageMode(@Nullable ImageMode mode) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, vision, mmproj, template, regions, mode, exif);
  }

  public FoveaOptions withExif(boolean apply) {
    return new FoveaOptions(
        backend, threads, tier, context, kvType, vision, mmproj, template, regions, imageMode,
        apply);
  }
}
