package dev.fovea.golden;

import dev.fovea.model.ParameterSource;
import dev.fovea.op.Call;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The weights of a golden checkpoint, each a formula of its tensor's name, its index and a seed: see weights-tools/golden/README.md. */
final class FormulaWeights implements ParameterSource {
  private static final Pattern LAYER = Pattern.compile("layers\\.(\\d+)\\.(\\w+)");
  private static final Pattern BLOCK =
      Pattern.compile("vision\\.blocks\\.(\\d+)\\.(\\w+)\\.(\\w+)");
  private static final Map<String, String> DECODER = Map.of(
      "attn_norm", "input_layernorm",
      "q", "self_attn.q_proj",
      "k", "self_attn.k_proj",
      "v", "self_attn.v_proj",
      "o", "self_attn.o_proj",
      "ffn_norm", "post_attention_layernorm",
      "gate", "mlp.gate_proj",
      "up", "mlp.up_proj",
      "down", "mlp.down_proj");
  private static final Map<String, String> VISION = Map.of(
      "norm1", "layer_norm1",
      "norm2", "layer_norm2",
      "q", "self_attn.q_proj",
      "k", "self_attn.k_proj",
      "v", "self_attn.v_proj",
      "o", "self_attn.out_proj",
      "fc1", "mlp.fc1",
      "fc2", "mlp.fc2");

  private final Arena arena;
  private final long seed;
  private final DType dtype;
  private final Map<String, MemorySegment> made = new HashMap<>();

  FormulaWeights(Arena arena, long seed, DType dtype) {
    this.arena = arena;
    this.seed = seed;
    this.dtype = dtype;
  }

  @Override
  public DType dtype(String name) {
    boolean matrix = !name.contains("norm")
        && !name.endsWith(".bias")
        && !name.equals("vision.class")
        && !name.equals("vision.position");
    if (name.equals("vision.patch") && dtype.isQuantized()) {
      return DType.F16; // its rows are not whole blocks
    }
    return matrix ? dtype : DType.F32;
  }

  @Override
  public MemorySegment data(String name, TensorType type) {
    return made.computeIfAbsent(name, n -> make(n, type));
  }

  private MemorySegment make(String name, TensorType type) {
    String source = source(name);
    Tensor t = Tensor.allocate(arena, type);
    boolean norm = source.contains("norm") && source.endsWith(".weight");
    float scale = scale(source, type);
    int width = type.shape().size(-1);
    float[] row = new float[width];
    for (long i = 0; i < t.elements(); i += width) {
      for (int j = 0; j < width; j++) {
        float u = number(source, seed, i + j);
        float value = norm ? 1 + 0.1f * u : u * scale;
        // The whole checkpoint is in its type, also what is handed out as F32.
        row[j] = (float) Call.round(dtype, value);
      }
      Blocks.quantize(type.dtype(), row, 0, width, t.data(), type.dtype().bytes(i));
    }
    return t.data();
  }

  /** The formula's z of element {@code i}. */
  static long bits(String source, long seed, long i) {
    long gamma = 0x9E3779B97F4A7C15L;
    long z = (fnv1a64(source) ^ (seed * gamma)) + (i + 1) * gamma;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /** Its number in [−1, 1). */
  static float number(String source, long seed, long i) {
    return (float) ((bits(source, seed, i) >>> 40) * 0x1p-23 - 1);
  }

  private static float scale(String source, TensorType type) {
    if (source.endsWith(".bias")) {
      return 0.1f;
    }
    if (source.contains("embed_tokens")
        || source.contains("class_embedding")
        || source.contains("position_embedding")) {
      return 0.5f;
    }
    return (float) (1.2 / Math.sqrt(type.shape().size(-1)));
  }

  private static long fnv1a64(String s) {
    long h = 0xcbf29ce484222325L;
    for (byte b : s.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * 0x100000001b3L;
    }
    return h;
  }

  /** Our name to transformers'. */
  private static String source(String name) {
    Matcher layer = LAYER.matcher(name);
    if (layer.matches()) {
      return "language_model.model.layers." + layer.group(1) + "." + DECODER.get(layer.group(2))
          + ".weight";
    }
    Matcher block = BLOCK.matcher(name);
    if (block.matches()) {
      return "vision_tower.vision_model.encoder.layers." + block.group(1) + "."
          + VISION.get(block.group(2)) + "." + block.group(3);
    }
    return switch (name) {
      case "embed" -> "language_model.model.embed_tokens.weight";
      case "norm" -> "language_model.model.norm.weight";
      case "lm_head" -> "language_model.lm_head.weight";
      case "vision.class" -> "vision_tower.vision_model.embeddings.class_embedding";
      case "vision.patch" -> "vision_tower.vision_model.embeddings.patch_embedding.weight";
      case "vision.position" -> "vision_tower.vision_model.embeddings.position_embedding.weight";
      case "vision.pre_norm.weight" -> "vision_tower.vision_model.pre_layrnorm.weight";
      case "vision.pre_norm.bias" -> "vision_tower.vision_model.pre_layrnorm.bias";
      case "projector.0.weight" -> "multi_modal_projector.linear_1.weight";
      case "projector.0.bias" -> "multi_modal_projector.linear_1.bias";
      case "projector.1.weight" -> "multi_modal_projector.linear_2.weight";
      case "projector.1.bias" -> "multi_modal_projector.linear_2.bias";
      default -> throw new IllegalArgumentException(name);
    };
  }
}
