package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.Channels;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.model.prompt.PromptEncoder;
import dev.fovea.model.prompt.Template;
import dev.fovea.model.text.PieceType;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.model.text.TokenizerData;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.GgufFile;
import dev.fovea.weights.TensorFile;
import dev.fovea.weights.Weights;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A decoder and its mmproj file as llama.cpp uses them. */
final class GgufPair {
  /** ViT-L/14's blocks when converters left out the last, which LLaVA does not run. */
  private static final int TRIMMED_LAYERS = 23;

  private GgufPair() {}

  static LoadedModel open(Path path, OpenOptions options) {
    Path parent = path.toAbsolutePath().getParent();
    Path folder = Files.isDirectory(path) || parent == null ? path : parent;
    Path mmproj = options.mmproj();
    List<Path> decoders = new ArrayList<>();
    for (Path file : ggufFiles(folder)) {
      boolean projector = file.getFileName().toString().contains("mmproj");
      if (projector && mmproj == null) {
        mmproj = file;
      } else if (!projector) {
        decoders.add(file);
      }
    }
    Path decoder = Files.isDirectory(path) ? only(path, decoders) : path;
    if (mmproj == null) {
      throw new FileException(
          folder,
          "no mmproj file: expected *mmproj*.gguf beside " + decoder.getFileName()
              + ", or --mmproj FILE");
    }
    Checkpoint checkpoint = Checkpoint.open(List.of(decoder, mmproj));
    try {
      GgufFile language = file(checkpoint, "llama", decoder);
      GgufFile vision = file(checkpoint, "clip", mmproj);
      Weights weights = new Weights(checkpoint);
      return new LoadedModel(path, describe(language, vision, weights, options), weights);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private static List<Path> ggufFiles(Path folder) {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, "*.gguf")) {
      entries.forEach(files::add);
    } catch (IOException e) {
      throw new FileException(folder, "cannot be listed: " + e.getMessage(), e);
    }
    files.sort(null);
    return files;
  }

  private static Path only(Path folder, List<Path> decoders) {
    if (decoders.size() != 1) {
      throw FileException.mismatch(
          folder,
          "model directory",
          "config.json, or one decoder .gguf and one *mmproj*.gguf",
          decoders.isEmpty()
              ? "neither"
              : decoders.stream().map(Path::getFileName).toList());
    }
    return decoders.getFirst();
  }

  private static GgufFile file(Checkpoint checkpoint, String architecture, Path path) {
    for (TensorFile f : checkpoint.files()) {
      if (f instanceof GgufFile g && architecture.equals(g.text("general.architecture"))) {
        return g;
      }
    }
    throw FileException.mismatch(path, "metadata general.architecture", architecture, "another");
  }

  private static LoadedModel.Description describe(
      GgufFile language, GgufFile vision, Weights weights, OpenOptions options) {
    VisionConfig v = vision(vision, weights);
    ProjectorConfig projector = weights.has("projector.1.weight")
        ? new ProjectorConfig(
            2,
            !"linear".equals(vision.text("clip.projector_type")),
            weights.has("projector.0.bias"))
        : new ProjectorConfig(1, false, weights.has("projector.0.bias"));
    DecoderConfig decoder = decoder(language, weights);
    Choices choices = new Choices(
        language.text("fovea.template"),
        language.text("fovea.regions"),
        vision.text("fovea.image_mode"));
    Tokenizer tokenizer = Tokenizer.of(language.path(), tokenizer(language));
    return new LoadedModel.Description(
        "GGUF",
        new ModelConfig(v, projector, decoder),
        tokenizer,
        choices.preprocessing(options, preprocessing(vision, v)),
        choices.template(options, Template.VICUNA_V1),
        choices.regions(options, projector),
        PromptEncoder.ImageStyle.of(tokenizer));
  }

  private static DecoderConfig decoder(GgufFile g, Weights weights) {
    int width = integer(g, "llama.embedding_length", 0);
    int heads = integer(g, "llama.attention.head_count", 0);
    int layers = integer(g, "llama.block_count", 0);
    if (heads < 1) {
      throw FileException.mismatch(
          g.path(), "metadata llama.attention.head_count", "1 or more", heads);
    }
    String scaling = g.text("llama.rope.scaling.type");
    double stretch = g.has("llama.rope.scale_linear") ? g.real("llama.rope.scale_linear") : 1;
    if (scaling != null && !scaling.equals("none") && !scaling.equals("linear")) {
      throw FileException.mismatch(
          g.path(), "metadata llama.rope.scaling.type", "none or linear", scaling);
    }
    if ("linear".equals(scaling)) {
      stretch = g.real("llama.rope.scaling.factor");
    }
    double positionScale = 1 / stretch;
    int headWidth = integer(g, "llama.attention.key_length", width / heads);
    int rotated = integer(g, "llama.rope.dimension_count", headWidth);
    if (rotated != headWidth) {
      throw FileException.mismatch(
          g.path(), "metadata llama.rope.dimension_count", "the head width " + headWidth, rotated);
    }
    int vocabulary =
        Math.toIntExact(Math.min(weights.peek("embed").dims().getFirst(), Integer.MAX_VALUE));
    return Configs.from(
        g.path(),
        () -> new DecoderConfig(
            width,
            integer(g, "llama.feed_forward_length", 0),
            layers,
            heads,
            integer(g, "llama.attention.head_count_kv", heads),
            headWidth,
            vocabulary,
            integer(g, "llama.context_length", 2048),
            g.real("llama.attention.layer_norm_rms_epsilon"),
            g.has("llama.rope.freq_base") ? g.real("llama.rope.freq_base") : 10000,
            positionScale,
            true));
  }

  private static VisionConfig vision(GgufFile g, Weights weights) {
    int layers = weights.count("vision.blocks.{L}.norm1.weight");
    return Configs.from(
        g.path(),
        () -> new VisionConfig(
            integer(g, "clip.vision.image_size", 0),
            integer(g, "clip.vision.patch_size", 0),
            integer(g, "clip.vision.embedding_length", 0),
            integer(g, "clip.vision.attention.head_count", 0),
            integer(g, "clip.vision.feed_forward_length", 0),
            layers,
            blocksRun(g, layers),
            g.real("clip.vision.attention.layer_norm_epsilon"),
            g.has("clip.use_gelu") && g.bool("clip.use_gelu"),
            VisionTower.Keep.PATCH));
  }

  /** A written feature layer counts blocks run; without one LLaVA's −2 is meant. */
  private static int blocksRun(GgufFile g, int layers) {
    if (g.has("clip.vision.feature_layer")) {
      List<Double> run = g.reals("clip.vision.feature_layer");
      if (run.size() != 1 || run.getFirst() < 0 || run.getFirst() > layers) {
        throw FileException.mismatch(
            g.path(), "metadata clip.vision.feature_layer", "one number from 0 to " + layers, run);
      }
      return run.getFirst().intValue();
    }
    return layers == TRIMMED_LAYERS ? layers : Math.max(0, layers - 1);
  }

  private static Preprocessing preprocessing(GgufFile g, VisionConfig v) {
    Preprocessing clip =
        Preprocessing.clip(ImageMode.PAD, v.imageSize()); // what llama.cpp does with LLaVA
    if (!g.has("clip.vision.image_mean") || !g.has("clip.vision.image_std")) {
      return clip;
    }
    return Configs.from(
        g.path(),
        () -> new Preprocessing(
            ImageMode.PAD,
            v.imageSize(),
            channels(g, "clip.vision.image_mean"),
            channels(g, "clip.vision.image_std")));
  }

  private static Channels channels(GgufFile g, String key) {
    List<Double> c = g.reals(key);
    if (c.size() != 3) {
      throw FileException.mismatch(g.path(), "metadata " + key, "3 numbers", c.size());
    }
    return new Channels(c.get(0), c.get(1), c.get(2));
  }

  private static TokenizerData tokenizer(GgufFile g) {
    String model = g.text("tokenizer.ggml.model");
    if (!"llama".equals(model)) {
      throw FileException.mismatch(
          g.path(), "metadata tokenizer.ggml.model", "llama", String.valueOf(model));
    }
    List<String> tokens = g.texts("tokenizer.ggml.tokens");
    List<Double> scores = g.reals("tokenizer.ggml.scores");
    List<Double> types = g.reals("tokenizer.ggml.token_type");
    if (scores.size() != tokens.size() || types.size() != tokens.size()) {
      throw FileException.mismatch(
          g.path(),
          "metadata tokenizer.ggml.scores and .token_type",
          tokens.size() + " entries",
          scores.size() + " and " + types.size());
    }
    float[] score = new float[tokens.size()];
    PieceType[] type = new PieceType[tokens.size()];
    for (int i = 0; i < score.length; i++) {
      score[i] = scores.get(i).floatValue();
      type[i] = PieceType.of(types.get(i).intValue());
    }
    return new TokenizerData(
        tokens.toArray(String[]::new),
        score,
        type,
        integer(g, "tokenizer.ggml.bos_token_id", -1),
        integer(g, "tokenizer.ggml.eos_token_id", -1),
        integer(g, "tokenizer.ggml.unknown_token_id", -1),
        integer(g, "tokenizer.ggml.padding_token_id", -1),
        !g.has("tokenizer.ggml.add_bos_token") || g.bool("tokenizer.ggml.add_bos_token"),
        !g.has("tokenizer.ggml.add_space_prefix") || g.bool("tokenizer.ggml.add_space_prefix"),
        !g.has("fovea.tokenizer.legacy") || g.bool("fovea.tokenizer.legacy"),
        true,
        false,
        List.of());
  }

  private static int integer(GgufFile g, String key, int otherwise) {
    long n = g.has(key) || otherwise == 0 ? g.integer(key) : otherwise;
    if (n != (int) n) {
      throw FileException.mismatch(g.path(), "metadata " + key, "a 32-bit number", n);
    }
    return (int) n;
  }
}
