package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.prompt.PromptEncoder;
import dev.fovea.model.prompt.RegionPreset;
import dev.fovea.model.prompt.Template;
import dev.fovea.model.text.AddedToken;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.tensor.DType;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint, whatever form it came in: dims, parameters, tokenizer, and how prompts and pictures are prepared for it. Files stay mapped
 * until it is closed.
 */
public final class LoadedModel implements AutoCloseable {

  /**
   * Everything but the parameters.
   *
   * @param format e.g. {@code Hugging Face}, {@code LLaVA}, {@code GGUF}
   * @param imageStyle how pictures sit among the tokens
   */
  public record Description(
      String format,
      ModelConfig config,
      Tokenizer tokenizer,
      Preprocessing preprocessing,
      Template template,
      RegionPreset regions,
      PromptEncoder.ImageStyle imageStyle) {}

  private final Path path;
  private final Description description;
  private final Weights weights;
  private final Arena arena = Arena.ofShared();
  private final CheckpointParameters parameters;

  LoadedModel(Path path, Description description, Weights weights) {
    this.path = path;
    this.description = description;
    this.weights = weights;
    this.parameters = new CheckpointParameters(weights, arena);
  }

  /**
   * Opens a directory or a GGUF file.
   *
   * @throws FileException naming the file, what was expected and what was found
   */
  public static LoadedModel open(Path path, OpenOptions options) {
    if (!Files.exists(path)) {
      throw new FileException(
          path, "no such file or directory: expected a model directory or a .gguf file");
    }
    if (Files.isDirectory(path) && Files.exists(path.resolve("config.json"))) {
      Fields config = Fields.read(path.resolve("config.json"));
      return config.has("text_config") || config.has("vision_config")
          ? HfDirectory.open(path, config, options)
          : LlavaDirectory.open(path, config, options);
    }
    return GgufPair.open(path, options);
  }

  public Path path() {
    return path;
  }

  public Description description() {
    return description;
  }

  public ModelConfig config() {
    return description.config();
  }

  public Tokenizer tokenizer() {
    return description.tokenizer();
  }

  public ParameterSource parameters() {
    return parameters;
  }

  /** The tensors behind the parameters, for listings; {@code unused()} is meaningful once a runner was made. */
  public Weights weights() {
    return weights;
  }

  /** Ids below this are text; above stand picture markers and padding rows, which must never be chosen. */
  public int textVocabulary() {
    Tokenizer tokenizer = tokenizer();
    int limit = Math.min(config().decoder().vocabulary(), tokenizer.size());
    for (AddedToken token : tokenizer.added()) {
      boolean plain = token.id() == tokenizer.bos()
          || token.id() == tokenizer.eos()
          || token.id() == tokenizer.unk();
      if (token.special() && !plain) {
        limit = Math.min(limit, token.id());
      }
    }
    return limit;
  }

  /** Weights, counted one by one. */
  public long parameterCount() {
    return weights.parameters();
  }

  /** Bytes of all tensors. */
  public long bytes() {
    return weights.checkpoint().tensors().values().stream()
        .mapToLong(WeightTensor::bytes)
        .sum();
  }

  /** The type that most of the decoder's bytes are stored in. */
  public DType dominantType() {
    Map<DType, Long> bytes = new HashMap<>();
    for (int i = 0; i < config().decoder().layers(); i++) {
      for (String name : List.of("q", "k", "v", "o", "gate", "up", "down")) {
        TensorSpec t = weights.describe("layers." + i + "." + name);
        bytes.merge(t.dtype(), t.bytes(), Long::sum);
      }
    }
    return bytes.entrySet().stream()
        .max(Comparator.comparingLong(Map.Entry::getValue))
        .orElseThrow()
        .getKey();
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
      weights.checkpoint().close();
    }
  }
}
