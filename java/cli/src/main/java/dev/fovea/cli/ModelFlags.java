package dev.fovea.cli;

import dev.fovea.FoveaOptions;
import dev.fovea.error.InputException;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Flags that say which model to open, and how. */
class ModelFlags {
  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description = "A model folder, or the decoder file of a GGUF pair; the demo model if absent.")
  @Nullable
  Path model;

  @Option(
      names = "--mmproj",
      paramLabel = "FILE",
      description = "Vision and projector file of a GGUF pair; else looked for beside the model.")
  @Nullable
  Path mmproj;

  @Option(
      names = "--vision-dir",
      paramLabel = "DIR",
      description = "Folder of the CLIP tower, for original LLaVA checkpoints that lack it.")
  @Nullable
  Path visionDir;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      description = {
        "What computes: cpu, cuda, opencl, cuda-emulated, reference; auto for cpu. A named one that cannot run",
        "is an error."
      })
  String backend = "auto";

  @Option(
      names = "--device",
      paramLabel = "NAME",
      description =
          "Which device of the opencl backend: its index or a part of its name; doctor lists them.")
  @Nullable
  String device;

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      description = "Threads; 0 for the physical cores this process may use.")
  int threads;

  @Option(
      names = "--cpu-tier",
      paramLabel = "TIER",
      description = {
        "Highest instruction set to use: scalar, avx2, avx512, avx512_bf16; on ARM scalar, neon,",
        "neon_dotprod, neon_i8mm; of cuda a compute capability: 80, 86, 89, 90, 100, 120."
      })
  @Nullable
  String cpuTier;

  @Option(
      names = {"-c", "--ctx-size"},
      paramLabel = "N",
      description = "Positions of one conversation; 0 for the model's own.")
  int ctxSize;

  @Option(
      names = {"-ctk", "--cache-type", "--kv"},
      paramLabel = "f16|q8_0|f32",
      description = {
        "Element type of the key-value cache; q8_0 takes half the memory of f16, for heads of a",
        "multiple of 32."
      })
  @Nullable
  String cacheType;

  @Option(
      names = "--template",
      paramLabel = "NAME",
      description = "Conversation template; else the model's own.")
  @Nullable
  String template;

  @Option(
      names = "--regions",
      paramLabel = "NAME",
      description =
          "How regions are written: chatspot, llava15, shikra, mmgpt; else the model's own.")
  @Nullable
  String regions;

  @Option(
      names = "--image-mode",
      paramLabel = "resize|pad|pad-top-left|crop",
      description = "How a picture becomes a square; else the model's own.")
  @Nullable
  String imageMode;

  @Option(names = "--exif", description = "Turn pictures as their EXIF orientation says.")
  boolean exif;

  FoveaOptions options() {
    return FoveaOptions.builder()
        .backend(backend)
        .threads(threads)
        .tier(cpuTier)
        .device(device)
        .context(ctxSize)
        .kvType(cacheType == null ? null : cacheType(cacheType))
        .vision(visionDir)
        .mmproj(mmproj)
        .template(template)
        .regions(regions)
        .imageMode(imageMode == null ? null : imageMode(imageMode))
        .exif(exif)
        .build();
  }

  private static DType cacheType(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f16" -> DType.F16;
      case "q8_0" -> DType.Q8_0;
      case "f32" -> DType.F32;
      default -> throw InputException.mismatch("--kv", "f16, q8_0 or f32", name);
    };
  }

  private static ImageMode imageMode(String name) {
    return Arrays.stream(ImageMode.values())
        .filter(m -> label(m).equals(name.toLowerCase(Locale.ROOT).replace('_', '-')))
        .findFirst()
        .orElseThrow(() -> InputException.mismatch(
            "--image-mode",
            Arrays.stream(ImageMode.values()).map(ModelFlags::label).toList(),
            name));
  }

  private static String label(ImageMode mode) {
    return mode.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The model to open. */
  Path path(Shell shell) {
    if (model != null) {
      Main.require(model, "a model folder or a .gguf file");
      return model;
    }
    Path demo = shell.home().resolve("models").resolve("demo");
    if (!Files.exists(demo)) {
      throw new InputException(
          "no model: give -m PATH or set FOVEA_MODEL (the demo model would be in " + demo + ")");
    }
    return demo;
  }

  /** Opens the files alone. */
  LoadedModel load(Shell shell) {
    FoveaOptions o = options();
    return LoadedModel.open(
        path(shell),
        new OpenOptions(o.vision(), o.mmproj(), o.template(), o.regions(), o.imageMode()));
  }

  Conversation open(Shell shell) {
    if (mmproj != null) {
      Main.require(mmproj, "the mmproj file of a GGUF pair");
    }
    if (visionDir != null) {
      Main.require(visionDir, "the folder of a CLIP tower");
    }
    FoveaOptions options = options();
    return shell.opener().open(path(shell), options);
  }

  Picture picture(Path file) {
    Main.require(file, "a picture (JPEG, PNG, WebP, BMP or GIF)");
    if (Files.isDirectory(file)) {
      throw new InputException(
          file + ": is a folder; expected a picture (JPEG, PNG, WebP, BMP or GIF)");
    }
    return ImageDecoder.STANDARD.withExifOrientation(exif).decode(file);
  }
}
