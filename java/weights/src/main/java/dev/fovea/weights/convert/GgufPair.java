package dev.fovea.weights.convert;

import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.NameMap;
import dev.fovea.weights.TensorSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The layout of the two GGUF files of a LLaVA model as llama.cpp reads them: metadata, tensor names and element types.
 *
 * <p>Types: linear maps of the decoder and its embedding take the type asked for; with q4_0 the output head, to which quality is
 * most sensitive, takes q8_0 (llama.cpp takes q6_K there). Norms, biases, the class and position embeddings stay f32, the patch
 * convolution is f16, as llama.cpp requires. A quantized type needs rows of whole blocks; other rows become f16.
 */
public final class GgufPair {
  private static final NameMap DECODER = NameMap.named("gguf-llama");
  private static final NameMap CLIP = NameMap.named("gguf-clip");

  private GgufPair() {}

  /** A tensor to be written and where it comes from. */
  public record Entry(String canonical, TensorSpec spec) {}

  /** The decoder file's tensors. */
  public static List<Entry> decoderTensors(ModelShape shape, DType linear) {
    List<Entry> entries = new ArrayList<>();
    shape.textTensors().forEach((canonical, dims) -> {
      DType wanted = canonical.equals("lm_head") && linear == DType.Q4_0 ? DType.Q8_0 : linear;
      entries.add(new Entry(
          canonical,
          new TensorSpec(
              DECODER.names(canonical).getFirst(),
              fitting(dims.size() < 2 ? DType.F32 : wanted, dims),
              dims)));
    });
    return entries;
  }

  /**
   * The mmproj file's tensors. fc1 is called ffn_down and fc2 ffn_up, as LLaVA's own converter has it: old llama.cpp knows nothing
   * else and new llama.cpp swaps such names back by their sizes. A linear projector is mm.weight, which llama.cpp cannot run.
   */
  public static List<Entry> imageTensors(ModelShape shape, DType linear) {
    List<Entry> entries = new ArrayList<>();
    shape.imageTensors().forEach((canonical, dims) -> {
      if (!canonical.startsWith("vision.post_norm.")) {
        List<String> names = CLIP.names(canonical);
        boolean second = shape.linearProjector() && canonical.startsWith("projector.");
        entries.add(new Entry(
            canonical,
            new TensorSpec(names.get(second ? 1 : 0), imageType(canonical, dims, linear), dims)));
      }
    });
    return entries;
  }

  private static DType imageType(String canonical, List<Long> dims, DType linear) {
    return switch (canonical) {
      case "vision.patch" -> DType.F16;
      case "vision.position" -> DType.F32;
      default -> fitting(dims.size() < 2 ? DType.F32 : linear, dims);
    };
  }

  private static DType fitting(DType wanted, List<Long> dims) {
    return dims.getLast() % wanted.blockSize() == 0 ? wanted : DType.F16;
  }

  /** The decoder file's metadata. */
  public static Map<String, GgufValue> decoderMetadata(
      ModelShape shape, DType linear, TokenizerDescription tokenizer) {
    ModelShape.Text t = shape.text();
    Map<String, GgufValue> m = new LinkedHashMap<>();
    m.put("general.architecture", GgufValue.of("llama"));
    m.put("general.name", GgufValue.of(shape.name()));
    m.put("general.file_type", GgufValue.u32(fileType(linear)));
    m.put("general.quantization_version", GgufValue.u32(2));
    m.put("llama.vocab_size", GgufValue.u32(t.vocabulary()));
    m.put("llama.context_length", GgufValue.u32(t.context()));
    m.put("llama.embedding_length", GgufValue.u32(t.hidden()));
    m.put("llama.block_count", GgufValue.u32(t.layers()));
    m.put("llama.feed_forward_length", GgufValue.u32(t.feedForward()));
    m.put("llama.attention.head_count", GgufValue.u32(t.heads()));
    m.put("llama.attention.head_count_kv", GgufValue.u32(t.kvHeads()));
    m.put("llama.attention.key_length", GgufValue.u32(t.headWidth()));
    m.put("llama.attention.value_length", GgufValue.u32(t.headWidth()));
    m.put("llama.attention.layer_norm_rms_epsilon", GgufValue.f32(t.normEpsilon()));
    m.put("llama.rope.dimension_count", GgufValue.u32(t.headWidth()));
    m.put("llama.rope.freq_base", GgufValue.f32(t.ropeTheta()));
    putTokenizer(m, t.vocabulary(), tokenizer);
    return m;
  }

  /** Rows of the embedding without a token are padded with unused ones, since llama.cpp counts rows by tokens. */
  private static void putTokenizer(Map<String, GgufValue> m, int rows, TokenizerDescription t) {
    if (t.pieces().size() > rows) {
      throw InputException.mismatch(
          "tokenizer",
          "at most " + rows + " tokens, the rows of the embedding",
          t.pieces().size());
    }
    List<String> pieces = new ArrayList<>(t.pieces());
    List<Float> scores = new ArrayList<>(t.scores());
    List<Integer> types = new ArrayList<>(t.types());
    for (int i = pieces.size(); i < rows; i++) {
      pieces.add("[PAD" + i + "]");
      scores.add(-1000f);
      types.add(5);
    }
    m.put("tokenizer.ggml.model", GgufValue.of("llama"));
    m.put("tokenizer.ggml.pre", GgufValue.of("default"));
    m.put("tokenizer.ggml.tokens", GgufValue.texts(pieces));
    m.put("tokenizer.ggml.scores", GgufValue.f32s(scores));
    m.put("tokenizer.ggml.token_type", GgufValue.i32s(types));
    m.put("tokenizer.ggml.bos_token_id", GgufValue.u32(t.bos()));
    m.put("tokenizer.ggml.eos_token_id", GgufValue.u32(t.eos()));
    m.put("tokenizer.ggml.unknown_token_id", GgufValue.u32(t.unk()));
    if (t.pad() >= 0) {
      m.put("tokenizer.ggml.padding_token_id", GgufValue.u32(t.pad()));
    }
    m.put("tokenizer.ggml.add_bos_token", GgufValue.of(t.addBos()));
    m.put("tokenizer.ggml.add_eos_token", GgufValue.of(false));
    m.put("tokenizer.ggml.add_space_prefix", GgufValue.of(t.addSpacePrefix()));
    if (t.chatTemplate() != null) {
      m.put("tokenizer.chat_template", GgufValue.of(t.chatTemplate()));
    }
  }

  /** The mmproj file's metadata. */
  public static Map<String, GgufValue> imageMetadata(ModelShape shape, DType linear) {
    ModelShape.Vision v = shape.vision();
    Map<String, GgufValue> m = new LinkedHashMap<>();
    m.put("general.architecture", GgufValue.of("clip"));
    m.put("general.name", GgufValue.of(shape.name()));
    m.put("general.file_type", GgufValue.u32(fileType(linear)));
    m.put("clip.has_text_encoder", GgufValue.of(false));
    m.put("clip.has_vision_encoder", GgufValue.of(true));
    m.put("clip.has_llava_projector", GgufValue.of(true));
    m.put("clip.projector_type", GgufValue.of(shape.linearProjector() ? "linear" : "mlp"));
    m.put("clip.use_gelu", GgufValue.of(false));
    m.put("clip.use_silu", GgufValue.of(false));
    m.put("clip.vision.image_size", GgufValue.u32(v.image()));
    m.put("clip.vision.patch_size", GgufValue.u32(v.patch()));
    m.put("clip.vision.embedding_length", GgufValue.u32(v.hidden()));
    m.put("clip.vision.feed_forward_length", GgufValue.u32(v.feedForward()));
    m.put("clip.vision.projection_dim", GgufValue.u32(shape.text().hidden()));
    m.put("clip.vision.block_count", GgufValue.u32(v.blocks()));
    m.put("clip.vision.attention.head_count", GgufValue.u32(v.heads()));
    m.put("clip.vision.attention.layer_norm_epsilon", GgufValue.f32(v.normEpsilon()));
    m.put("clip.vision.image_mean", GgufValue.f32s(v.mean()));
    m.put("clip.vision.image_std", GgufValue.f32s(v.std()));
    // Readers run all blocks but the last unless told otherwise.
    if (shape.visionBlocksRun() != v.blocks() - 1) {
      m.put("clip.vision.feature_layer", GgufValue.i32s(List.of(shape.visionBlocksRun())));
    }
    return m;
  }

  /** llama.cpp's number for what most tensors are (llama.h, {@code enum llama_ftype}). */
  private static int fileType(DType linear) {
    return switch (linear) {
      case F32 -> 0;
      case F16 -> 1;
      case Q4_0 -> 2;
      case Q8_0 -> 7;
      case BF16 -> 32;
      case I32, U8, Q4_G128 ->
        throw new InputException("a GGUF file's weights cannot be stored as " + linear.label());
    };
  }
}
