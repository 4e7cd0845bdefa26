package dev.fovea.golden;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Sampling;
import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.engine.Decoding;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Prompt;
import dev.fovea.engine.Runner;
import dev.fovea.error.FileException;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.model.text.SentencePieceModel;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.TensorWriter;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.synth.Synth;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Checkpoints packed as AWQ and GPTQ pack them, against weights-tools/golden/packed.py, which unpacks the same words by itself: every
 * unpacked weight bit for bit, and transformers' logits. Those agree to 1e-4 where activations are binary32. Where each linear map
 * rounds them by up to 1/254 of the largest of 32, values move to first order by as much per map on their way, and twice that is allowed.
 */
class PackedGoldenTest {
  /** Four maps one after the other in each of 2 layers, and the head. */
  private static final int MAPS = 9;

  private static final String LAYER = "language_model.model.layers.";

  @TempDir
  Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"awq", "gptq", "gptq_sym", "gptq_v2"})
  void weightsAreUnpackedBitForBit(String name) throws IOException {
    JsonNode golden = golden(name);
    write(golden, tensors -> {});
    try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE)) {
      Weights weights = model.weights();
      assertEquals(DType.Q4_G128, model.dominantType());
      for (Map.Entry<String, JsonNode> e : golden.get("crc32").properties()) {
        WeightTensor t = weights.peek(canonical(e.getKey()));
        assertEquals(e.getKey(), t.name());
        assertEquals(DType.Q4_G128, t.dtype());
        ByteBuffer row = ByteBuffer.allocate((int) t.elements() * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (long i = 0; i < t.elements(); i++) {
          row.putFloat((float) Blocks.get(t.dtype(), t.data(), i));
        }
        CRC32 crc = new CRC32();
        crc.update(row.array());
        assertEquals(e.getValue().asLong(), crc.getValue(), e.getKey());
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1} {2}")
  @CsvSource({
    "awq, reference, ''",
    "gptq, reference, ''",
    "gptq_sym, reference, ''",
    "gptq_v2, reference, ''",
    "awq, cpu, ''",
    "awq, cpu, scalar",
    "gptq, cpu, avx2",
    "gptq, cpu, ''",
    "awq, cuda-emulated, ''",
    "gptq_v2, cuda-emulated, ''",
  })
  void logitsAgreeWithTransformers(String name, String backend, String tier) throws IOException {
    JsonNode golden = golden(name);
    write(golden, tensors -> {});
    List<Integer> ids = new ArrayList<>();
    golden.get("prompt_ids").forEach(n -> ids.add(n.asInt()));
    double magnitude = golden.get("magnitude").asDouble();
    double bound = backend.equals("reference") ? 1e-4 : MAPS * 2 / 254. * magnitude;
    int[] positions = {0};
    try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE);
        Device device =
            Backend.named(backend).open(new DeviceOptions(2, tier.isEmpty() ? null : tier));
        Generator generator = new Generator(
            device,
            model.config(),
            model.parameters(),
            new Runner.Sizes(
                64, 6, 32, DType.F32, 32, 32, model.config().decoder().vocabulary()));
        Decoding decoding = generator.begin(new Prompt(ids, List.of()), Sampling.GREEDY, 1)) {
      decoding.trace((position, row) -> {
        for (int c = 0; c < golden.get("logit_columns").size(); c++) {
          int column = golden.get("logit_columns").get(c).asInt();
          assertEquals(
              golden.get("logits").get(position).get(c).asDouble(),
              row.getAtIndex(JAVA_FLOAT, column),
              bound,
              name + ": logit " + position + "," + column);
        }
        positions[0]++;
      });
      assertTrue(decoding.prefill(() -> false));
      assertEquals(List.of(), model.weights().unexpected(2));
    }
    assertEquals(ids.size(), positions[0], "every position must have been compared");
  }

  @Test
  void theEmulatedDeviceSaysWhatTheProcessorSays() throws IOException {
    JsonNode golden = golden("awq");
    write(golden, tensors -> {});
    List<Integer> words = greedy("cpu", golden);
    assertEquals(24, words.size());
    assertEquals(words, greedy("cuda-emulated", golden));
  }

  private List<Integer> greedy(String backend, JsonNode golden) {
    List<Integer> ids = new ArrayList<>();
    golden.get("prompt_ids").forEach(n -> ids.add(n.asInt()));
    List<Integer> words = new ArrayList<>();
    try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE);
        Device device = Backend.named(backend).open(new DeviceOptions(2, null));
        Generator generator = new Generator(
            device,
            model.config(),
            model.parameters(),
            new Runner.Sizes(
                64, 6, 32, DType.F16, 32, 0, model.config().decoder().vocabulary()));
        Decoding decoding = generator.begin(new Prompt(ids, List.of()), Sampling.GREEDY, 24)) {
      assertTrue(decoding.prefill(() -> false));
      while (words.size() < 24) {
        words.add(decoding.next());
      }
    }
    return words;
  }

  /** Early GPTQ packers gave every map a bias of zeros. */
  @Test
  void biasesOfZerosAreNotMissed() throws IOException {
    String bias = LAYER + "0.self_attn.q_proj.bias";
    write(golden("gptq"), t -> t.put(bias, new Part(DType.F16, List.of(256L), 512)));
    try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE)) {
      model.weights().take("layers.0.q", 256, 256);
      assertFalse(model.weights().unused().contains(bias));
    }
    ByteBuffer one = ByteBuffer.allocate(512).put(7, (byte) 60);
    write(golden("gptq"), t -> t.put(bias, new Part(DType.F16, List.of(256L), one)));
    assertRefused(bias, "byte 7: expected 0", "found 60");
  }

  @Test
  void symmetricAwqMayLeaveItsZeroPointsOut() throws IOException {
    ObjectNode awq = (ObjectNode) golden("awq");
    ((ObjectNode) awq.get("quantization_config")).put("zero_point", false);
    write(awq, t -> t.keySet().removeIf(n -> n.endsWith(".qzeros")));
    try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE)) {
      MemorySegment data = model.weights().peek("layers.1.down").data();
      for (long at = 0; at < data.byteSize(); at += DType.Q4_G128.blockBytes()) {
        assertEquals(8, data.get(JAVA_SHORT_UNALIGNED, at + 2));
      }
    }
  }

  @Test
  void partsThatDoNotFitAreRefused() throws IOException {
    String q = LAYER + "0.self_attn.q_proj";
    JsonNode awq = golden("awq");
    JsonNode gptq = golden("gptq");
    write(awq, t -> t.remove(q + ".qzeros"));
    assertRefused(q + ".qzeros is missing");
    write(awq, t -> t.remove(q + ".scales"));
    assertRefused(q + ".scales is missing");
    write(awq, t -> t.put(q + ".scales", new Part(DType.F16, List.of(4L, 256L), 2048)));
    assertRefused(q + ".scales at byte", "expected [2, 256]", "found [4, 256]");
    write(awq, t -> t.put(q + ".scales", new Part(DType.BF16, List.of(2L, 256L), 1024)));
    assertRefused(q + ".scales at byte", "expected F16", "found BF16");
    write(awq, t -> t.put(q + ".qzeros", new Part(DType.I32, List.of(2L, 31L), 248)));
    assertRefused(q + ".qzeros at byte", "expected [2, 32]", "found [2, 31]");
    write(awq, t -> t.put(q + ".qweight", new Part(DType.I32, List.of(200L, 32L), 25600)));
    assertRefused(q + ".qweight at byte", "inputs in groups of 128", "found 200 inputs");
    write(awq, t -> t.put(q + ".qweight", new Part(DType.I32, List.of(64L), 256)));
    assertRefused(q + ".qweight at byte", "expected two", "found [64]");
    // The other format's sizes, as a wrong quant_method would have them.
    ObjectNode wrong = (ObjectNode) golden("awq");
    ((ObjectNode) wrong.get("quantization_config")).put("quant_method", "gptq").remove("version");
    write(wrong, t -> {});
    assertRefused(".scales at byte", "next to " + q + ".qweight[256, 32]", "expected [16, 32]");
    write(gptq, t -> Objects.requireNonNull(t.get(q + ".g_idx")).data().put(4 * 130, (byte) 0));
    assertRefused(q + ".g_idx at byte", "group of input 130", "expected 1", "found 0");
    write(gptq, t -> t.put(q + ".g_idx", new Part(DType.I32, List.of(255L), 1020)));
    assertRefused(q + ".g_idx at byte", "expected [256]", "found [255]");
  }

  @Test
  void otherQuantizationsAreRefused() throws IOException {
    assertConfigurationRefused(c -> c.put("quant_method", "fp8"), "quant_method: expected awq or");
    assertConfigurationRefused(c -> c.put("bits", 3), "bits: expected 4, found 3");
    assertConfigurationRefused(c -> c.put("group_size", 64), "group_size: expected 128, found 64");
    assertConfigurationRefused(c -> c.put("group_size", -1), "group_size: expected 128, found -1");
    assertConfigurationRefused(c -> c.remove("group_size"), "group_size is missing");
    assertConfigurationRefused(c -> c.put("desc_act", true), "desc_act: expected false");
    assertConfigurationRefused(
        c -> c.put("checkpoint_format", "marlin"), "checkpoint_format: expected gptq or gptq_v2");
    ObjectNode awq = (ObjectNode) golden("awq");
    ((ObjectNode) awq.get("quantization_config")).put("version", "GEMV");
    write(awq, t -> {});
    assertRefused("version: expected gemm, found gemv");
    ObjectNode none = (ObjectNode) golden("awq");
    none.remove("quantization_config");
    write(none, t -> {});
    assertRefused("q_proj.qweight, but no quantization_config");
  }

  private void assertConfigurationRefused(Consumer<ObjectNode> change, String message)
      throws IOException {
    ObjectNode golden = (ObjectNode) golden("gptq");
    change.accept((ObjectNode) golden.get("quantization_config"));
    write(golden, t -> {});
    assertRefused("config.json", message);
  }

  private void assertRefused(String... parts) {
    FileException e = assertThrows(FileException.class, () -> {
      try (LoadedModel model = LoadedModel.open(folder, OpenOptions.NONE)) {
        model.weights().take("layers.0.q", 256, 256);
      }
    });
    for (String part : parts) {
      assertTrue(String.valueOf(e.getMessage()).contains(part), part + " in " + e.getMessage());
    }
  }

  /** A tensor to be written. */
  private record Part(DType dtype, List<Long> dims, ByteBuffer data) {
    Part(DType dtype, List<Long> dims, int zeros) {
      this(dtype, dims, ByteBuffer.allocate(zeros));
    }
  }

  /** Writes the checkpoint of a golden, its packed parts changed as asked, into the folder. */
  private void write(JsonNode golden, Consumer<Map<String, Part>> change) throws IOException {
    JsonNode text = golden.get("text");
    long seed = golden.get("seed").asLong();
    ModelShape tiny = ModelShape.named("tiny");
    ModelShape shape = new ModelShape(
        "packed",
        new ModelShape.Text(
            text.get("vocab_size").asInt(),
            text.get("hidden_size").asInt(),
            text.get("intermediate_size").asInt(),
            text.get("num_hidden_layers").asInt(),
            text.get("num_attention_heads").asInt(),
            text.get("num_key_value_heads").asInt(),
            text.get("head_dim").asInt(),
            text.get("rms_norm_eps").asDouble(),
            text.get("rope_theta").asDouble(),
            text.get("max_position_embeddings").asInt()),
        tiny.vision(),
        false,
        tiny.visionBlocksRun());
    Path plain = folder.resolve("plain");
    new Synth(shape, seed, (done, total, name) -> {}).writeDirectory(plain, DType.F32);
    ObjectNode config =
        (ObjectNode) JsonMapper.shared().readTree(Files.readString(plain.resolve("config.json")));
    if (golden.has("quantization_config")) {
      config.set("quantization_config", golden.get("quantization_config"));
    }
    Files.writeString(folder.resolve("config.json"), config.toString());
    Files.write(
        folder.resolve("tokenizer.model"),
        SentencePieceModel.write(Tokenizer.llama().data()));
    Map<String, Part> packed = new LinkedHashMap<>();
    try (Checkpoint from = Checkpoint.open(plain)) {
      Map<TensorSpec, MemorySegment> tensors = new LinkedHashMap<>();
      for (WeightTensor t : from.tensors().values()) {
        if (golden.get("crc32").has(t.name())) {
          pack(golden, t.name().replaceFirst("\\.weight$", ""), t.dims(), packed);
        } else {
          tensors.put(new TensorSpec(t.name(), t.dtype(), t.dims()), t.data());
        }
      }
      change.accept(packed);
      packed.forEach((name, p) -> tensors.put(
          new TensorSpec(name, p.dtype(), p.dims()),
          MemorySegment.ofBuffer(p.data().rewind())));
      try (TensorWriter writer = TensorWriter.safetensors(
          folder.resolve("model.safetensors"),
          Map.of("format", "pt"),
          List.copyOf(tensors.keySet()))) {
        tensors.forEach(writer::append);
        writer.finish();
      }
    }
  }

  /** The parts of a map [out, in], as packed.py has them. */
  private static void pack(JsonNode golden, String name, List<Long> dims, Map<String, Part> parts) {
    boolean awq = golden.get("packing").asString().equals("awq");
    long seed = golden.get("seed").asLong();
    long out = dims.getFirst();
    long in = dims.getLast();
    List<Long> quants = awq ? List.of(in, out / 8) : List.of(in / 8, out);
    parts.put(name + ".qweight", words(name + ".qweight", seed, quants, null));
    parts.put(
        name + ".qzeros",
        words(name + ".qzeros", seed, List.of(in / 128, out / 8), golden.get("qzeros")));
    ByteBuffer scales =
        ByteBuffer.allocate((int) (in / 128 * out * 2)).order(ByteOrder.LITTLE_ENDIAN);
    float scale = (float) (0.15 / Math.sqrt((double) in));
    for (int i = 0; scales.hasRemaining(); i++) {
      float u = FormulaWeights.number(name + ".scales", seed, i);
      scales.putShort(Float.floatToFloat16(scale * (1 + 0.5f * u)));
    }
    parts.put(name + ".scales", new Part(DType.F16, List.of(in / 128, out), scales));
    if (!awq) {
      ByteBuffer groups = ByteBuffer.allocate((int) in * 4).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < in; i++) {
        groups.putInt(i / 128);
      }
      parts.put(name + ".g_idx", new Part(DType.I32, List.of(in), groups));
    }
  }

  private static Part words(String name, long seed, List<Long> dims, @Nullable JsonNode fixed) {
    ByteBuffer words = ByteBuffer.allocate((int) (dims.getFirst() * dims.getLast() * 4))
        .order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; words.hasRemaining(); i++) {
      words.putInt(
          fixed == null || fixed.isNull()
              ? (int) FormulaWeights.bits(name, seed, i)
              : fixed.asInt());
    }
    return new Part(DType.I32, dims, words);
  }

  private static String canonical(String name) {
    String[] parts = name.substring(LAYER.length()).split("\\.", -1); // 0.self_attn.q_proj.weight
    return "layers." + parts[0] + "." + parts[2].replace("_proj", "");
  }

  private static JsonNode golden(String name) throws IOException {
    try (InputStream in = Objects.requireNonNull(
        PackedGoldenTest.class.getResourceAsStream("/golden/packed_" + name + ".json"), name)) {
      return JsonMapper.shared().readTree(in);
    }
  }
}
