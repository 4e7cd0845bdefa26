package dev.fovea.weights.synth;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.HeadRows;
import dev.fovea.weights.NameMap;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.TensorWriter;
import dev.fovea.weights.convert.GgufPair;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.convert.Quantizer;
import dev.fovea.weights.convert.TokenizerDescription;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a checkpoint of seeded random numbers, a piece at a time; {@link Draw} defines the numbers. The same seed gives the same
 * bytes anywhere.
 */
public final class Synth {
  private static final int PIECE = 1 << 18;
  /** Shards of Hugging Face's checkpoints stay below this. */
  private static final long SHARD_BYTES = 5_000_000_000L;

  private static final NameMap HF = NameMap.named("hf-llava");
  private static final NameMap LLAVA = NameMap.named("llava");

  private final ModelShape shape;
  private final long seed;
  private final Quantizer.Progress progress;
  private long done;
  private long total;

  /** How quantized tensors come about. */
  public enum Fill {
    /** The numbers that an unquantized checkpoint of the same seed holds, quantized. */
    EXACT,
    /** Random blocks: other numbers of the same spread, several times as fast. */
    BLOCKS
  }

  public Synth(ModelShape shape, long seed, Quantizer.Progress progress) {
    this.shape = shape;
    this.seed = seed;
    this.progress = progress;
  }

  /**
   * Writes a directory: config.json, preprocessor_config.json and safetensors, sharded from 5 GB. An MLP projector is written in
   * transformers' layout, a linear one, which transformers lacks, in that of the original LLaVA code with its vision tower in the
   * same file and its vision configuration in {@code vision/}. A tokenizer is not written.
   */
  public void writeDirectory(Path folder, DType dtype) {
    if (dtype.isQuantized() || dtype.isWhole()) {
      throw InputException.mismatch(
          "element type of safetensors", "f32, f16 or bf16", dtype.label());
    }
    List<GgufPair.Entry> entries = new ArrayList<>();
    for (Map<String, List<Long>> part : List.of(shape.imageTensors(), shape.textTensors())) {
      part.forEach((canonical, dims) -> entries.add(
          new GgufPair.Entry(canonical, new TensorSpec(fileName(canonical), dtype, dims))));
    }
    List<List<GgufPair.Entry>> shards = shards(entries);
    done = 0;
    total = entries.stream().mapToLong(e -> e.spec().bytes()).sum();
    ObjectNode index = JSON.createObjectNode();
    index.putObject("metadata").put("total_size", total);
    ObjectNode places = index.putObject("weight_map");
    for (int i = 0; i < shards.size(); i++) {
      String name = shards.size() == 1
          ? "model.safetensors"
          : String.format("model-%05d-of-%05d.safetensors", i + 1, shards.size());
      List<TensorSpec> specs = shards.get(i).stream().map(GgufPair.Entry::spec).toList();
      specs.forEach(s -> places.put(s.name(), name));
      try (TensorWriter writer =
          TensorWriter.safetensors(folder.resolve(name), Map.of("format", "pt"), specs)) {
        for (GgufPair.Entry entry : shards.get(i)) {
          write(writer, entry, Fill.EXACT, false);
        }
        writer.finish();
      }
    }
    if (shards.size() > 1) {
      writeJson(folder.resolve("model.safetensors.index.json"), index);
    }
    writeConfiguration(folder, dtype);
  }

  /** Writes a GGUF pair; {@link GgufPair} says which tensor gets which type, the image part's linear maps are f16. */
  public void writeGguf(
      Path decoder, Path image, DType dtype, TokenizerDescription tokenizer, Fill fill) {
    List<GgufPair.Entry> text = GgufPair.decoderTensors(shape, dtype);
    List<GgufPair.Entry> vision = GgufPair.imageTensors(shape, DType.F16);
    done = 0;
    total = 0;
    for (List<GgufPair.Entry> part : List.of(text, vision)) {
      total += part.stream().mapToLong(e -> e.spec().bytes()).sum();
    }
    writeGguf(decoder, GgufPair.decoderMetadata(shape, dtype, tokenizer), text, fill);
    writeGguf(image, GgufPair.imageMetadata(shape, DType.F16), vision, fill);
  }

  private void writeGguf(
      Path path, Map<String, GgufValue> metadata, List<GgufPair.Entry> entries, Fill fill) {
    List<TensorSpec> specs = entries.stream().map(GgufPair.Entry::spec).toList();
    try (TensorWriter writer = TensorWriter.gguf(path, metadata, specs)) {
      for (GgufPair.Entry entry : entries) {
        write(writer, entry, fill, isRotary(entry.canonical()));
      }
      writer.finish();
    }
  }

  private static boolean isRotary(String canonical) {
    return canonical.startsWith("layers.")
        && (canonical.endsWith(".q") || canonical.endsWith(".k"));
  }

  private void write(TensorWriter writer, GgufPair.Entry entry, Fill fill, boolean pairs) {
    TensorSpec spec = entry.spec();
    Draw draw =
        new Draw(entry.canonical(), HF.names(entry.canonical()).getFirst(), spec.dims(), seed);
    int width = Math.toIntExact(spec.rowElements());
    long rows = spec.rows();
    int step = (int) Math.max(1, Math.min(rows, PIECE / width));
    float[] row = new float[width];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(step * spec.rowBytes());
      for (long first = 0; first < rows; first += step) {
        int n = (int) Math.min(step, rows - first);
        MemorySegment piece = buffer.asSlice(0, n * spec.rowBytes());
        if (fill == Fill.BLOCKS && spec.dtype().isQuantized()) {
          int rowBlocks = width / spec.dtype().blockSize();
          draw.blocks(spec.dtype(), first * rowBlocks, piece, n * rowBlocks);
        } else {
          for (int i = 0; i < n; i++) {
            long source =
                pairs ? HeadRows.toHalves(first + i, shape.text().headWidth()) : first + i;
            draw.floats(source * width, row, width);
            Blocks.quantize(spec.dtype(), row, 0, width, piece, i * spec.rowBytes());
          }
        }
        writer.append(spec, piece);
        done += piece.byteSize();
        progress.at(done, total, spec.name());
      }
    }
  }

  private String fileName(String canonical) {
    NameMap map = shape.linearProjector() ? LLAVA : HF;
    boolean second = shape.linearProjector() && canonical.startsWith("projector.");
    return map.names(canonical).get(second ? 1 : 0);
  }

  private static List<List<GgufPair.Entry>> shards(List<GgufPair.Entry> entries) {
    List<List<GgufPair.Entry>> shards = new ArrayList<>();
    List<GgufPair.Entry> current = new ArrayList<>();
    long bytes = 0;
    for (GgufPair.Entry entry : entries) {
      if (!current.isEmpty() && bytes + entry.spec().bytes() > SHARD_BYTES) {
        shards.add(current);
        current = new ArrayList<>();
        bytes = 0;
      }
      current.add(entry);
      bytes += entry.spec().bytes();
    }
    shards.add(current);
    return shards;
  }

  private void writeConfiguration(Path folder, DType dtype) {
    String torchType = switch (dtype) {
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      default -> "float32";
    };
    ObjectNode config = JSON.createObjectNode();
    ObjectNode vision = visionConfiguration();
    if (shape.linearProjector()) {
      config.put("model_type", "llava_llama");
      config.putArray("architectures").add("LlavaLlamaForCausalLM");
      putText(config);
      config.put("torch_dtype", torchType);
      config.put("mm_hidden_size", shape.vision().hidden());
      config.put("mm_vision_tower", "vision");
      config.put(
          "mm_vision_select_layer", shape.visionBlocksRun() - shape.vision().blocks() - 1);
      config.put("mm_vision_select_feature", "patch");
      config.put("mm_projector_type", "linear");
      config.put("use_mm_proj", true);
      config.put(
          "mm_use_im_start_end",
          shape.text().vocabulary() > 32000); // <im_patch>, <im_start>, <im_end>
      config.put("mm_use_im_patch_token", false);
      config.put("image_aspect_ratio", "square");
      writeJson(folder.resolve("vision").resolve("config.json"), vision);
    } else {
      config.put("model_type", "llava");
      config.putArray("architectures").add("LlavaForConditionalGeneration");
      config.put("torch_dtype", torchType);
      config.put("image_token_index", Math.min(32000, shape.text().vocabulary() - 1));
      config.put("projector_hidden_act", "gelu");
      config.put("multimodal_projector_bias", true);
      config.put(
          "vision_feature_layer", shape.visionBlocksRun() - shape.vision().blocks() - 1);
      config.put("vision_feature_select_strategy", "default");
      config.put("tie_word_embeddings", false);
      ObjectNode text = config.putObject("text_config");
      text.put("model_type", "llama");
      putText(text);
      config.set("vision_config", vision);
    }
    writeJson(folder.resolve("config.json"), config);
    writeJson(folder.resolve("preprocessor_config.json"), preprocessor());
  }

  private void putText(ObjectNode c) {
    ModelShape.Text t = shape.text();
    c.put("vocab_size", t.vocabulary());
    c.put("hidden_size", t.hidden());
    c.put("intermediate_size", t.feedForward());
    c.put("num_hidden_layers", t.layers());
    c.put("num_attention_heads", t.heads());
    c.put("num_key_value_heads", t.kvHeads());
    c.put("head_dim", t.headWidth());
    c.put("rms_norm_eps", t.normEpsilon());
    c.put("rope_theta", t.ropeTheta());
    c.put("max_position_embeddings", t.context());
    c.put("hidden_act", "silu");
    c.put("tie_word_embeddings", false);
    c.put("bos_token_id", 1);
    c.put("eos_token_id", 2);
  }

  private ObjectNode visionConfiguration() {
    ModelShape.Vision v = shape.vision();
    ObjectNode c = JSON.createObjectNode();
    c.put("model_type", "clip_vision_model");
    c.put("hidden_size", v.hidden());
    c.put("intermediate_size", v.feedForward());
    c.put("num_hidden_layers", v.blocks());
    c.put("num_attention_heads", v.heads());
    c.put("patch_size", v.patch());
    c.put("image_size", v.image());
    c.put("layer_norm_eps", v.normEpsilon());
    c.put("hidden_act", "quick_gelu");
    c.put("projection_dim", 768);
    return c;
  }

  private ObjectNode preprocessor() {
    ModelShape.Vision v = shape.vision();
    ObjectNode c = JSON.createObjectNode();
    c.put("image_processor_type", "CLIPImageProcessor");
    c.put("do_convert_rgb", true);
    c.put("do_resize", true);
    c.put("resample", 3);
    c.putObject("size").put("shortest_edge", v.image());
    c.put("do_center_crop", true);
    c.putObject("crop_size").put("height", v.image()).put("width", v.image());
    c.put("do_rescale", true);
    c.put("rescale_factor", 1.0 / 255);
    c.put("do_normalize", true);
    v.mean().forEach(c.withArray("image_mean")::add);
    v.std().forEach(c.withArray("image_std")::add);
    return c;
  }

  private static void writeJson(Path path, ObjectNode json) {
    try {
      Path folder = path.toAbsolutePath().getParent();
      if (folder != null) {
        Files.createDirectories(folder);
      }
      Files.writeString(path, json.toPrettyString() + "\n");
    } catch (IOException e) {
      throw new FileException(path, "cannot be written: " + e.getMessage(), e);
    }
  }

  private static final JsonMapper JSON = JsonMapper.shared();
}
