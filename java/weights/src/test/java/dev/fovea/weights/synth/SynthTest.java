package dev.fovea.weights.synth;

import static dev.fovea.weights.MicroModel.LINEAR;
import static dev.fovea.weights.MicroModel.MLP;
import static dev.fovea.weights.MicroModel.TOKENIZER;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import dev.fovea.weights.convert.ModelShape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class SynthTest {
  @TempDir
  Path folder;

  private long lastDone;

  /** Bits made by an independent implementation in NumPy, seed 7: elements 0, 1 and the last. */
  @Test
  void numbersAreThoseOfTheFormula() {
    assertBits(
        "layers.1.k",
        List.of(32L, 64L),
        "language_model.model.layers.1.self_attn.k_proj.weight",
        0x3d96916d,
        0x3c6a80a1,
        0x3e0d36de);
    assertBits(
        "norm",
        List.of(64L),
        "language_model.model.norm.weight",
        0x3f866281,
        0x3f8ca500,
        0x3f7e22be);
    assertBits(
        "vision.blocks.0.fc1.bias",
        List.of(64L),
        "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
        0x3af3199a,
        0xbd349ee3,
        0xbbc02167);
    assertBits(
        "embed",
        List.of(48L, 64L),
        "language_model.model.embed_tokens.weight",
        0xbed76768,
        0xbed11420,
        0x3d3669a0);
    assertBits(
        "vision.patch",
        List.of(32L, 3L, 14L, 14L),
        "vision_tower.vision_model.embeddings.patch_embedding.weight",
        0xbb26fa6c,
        0xbd03d5a1,
        0xbcbc2a50);
  }

  private static void assertBits(String canonical, List<Long> dims, String name, int... expected) {
    long n = 1;
    for (long d : dims) {
      n *= d;
    }
    float[] x = new float[2];
    float[] last = new float[1];
    Draw draw = new Draw(canonical, name, dims, 7);
    draw.floats(0, x, 2);
    draw.floats(n - 1, last, 1);
    assertArrayEquals(
        expected,
        new int[] {
          Float.floatToIntBits(x[0]), Float.floatToIntBits(x[1]), Float.floatToIntBits(last[0])
        },
        name);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aDirectoryHoldsTheFormulaAndCanBeTaken(boolean linear) throws IOException {
    ModelShape shape = linear ? LINEAR : MLP;
    new Synth(shape, 7, this::progress).writeDirectory(folder, DType.BF16);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Weights weights = new Weights(checkpoint);
      all(shape).forEach((canonical, dims) -> {
        WeightTensor t = weights.take(canonical, longs(dims));
        assertEquals(DType.BF16, t.dtype());
      });
      assertEquals(List.of(), weights.unused());
      float[] expected = new float[64 * 64];
      new Draw(
              "layers.0.q",
              "language_model.model.layers.0.self_attn.q_proj.weight",
              List.of(64L, 64L),
              7)
          .floats(0, expected, expected.length);
      WeightTensor q = weights.peek("layers.0.q");
      for (int i = 0; i < expected.length; i++) {
        assertEquals(
            Float.intBitsToFloat(Blocks.bf16(expected[i]) << 16),
            Blocks.get(DType.BF16, q.data(), i),
            "element " + i);
      }
      assertEquals(
          lastDone,
          checkpoint.tensors().values().stream().mapToLong(WeightTensor::bytes).sum());
    }
    JsonNode config = JsonMapper.shared().readTree(Files.readString(folder.resolve("config.json")));
    assertEquals(linear ? "llava_llama" : "llava", config.path("model_type").stringValue());
    JsonNode text = linear ? config : config.path("text_config");
    assertEquals(1, text.path("num_key_value_heads").intValue());
    assertEquals(
        -2,
        config.path(linear ? "mm_vision_select_layer" : "vision_feature_layer").intValue());
  }

  @Test
  void ggufHoldsTheSameNumbersInItsOwnOrder() {
    new Synth(MLP, 7, this::progress).writeDirectory(folder.resolve("hf"), DType.F32);
    Path llm = folder.resolve("gguf/llm.gguf");
    Path image = folder.resolve("gguf/mmproj.gguf");
    new Synth(MLP, 7, this::progress).writeGguf(llm, image, DType.F32, TOKENIZER, Synth.Fill.EXACT);
    try (Checkpoint hf = Checkpoint.open(folder.resolve("hf"));
        Checkpoint gguf = Checkpoint.open(folder.resolve("gguf"));
        Arena arena = Arena.ofConfined()) {
      Weights a = new Weights(hf);
      Weights b = new Weights(gguf);
      MLP.textTensors().forEach((canonical, dims) -> {
        WeightTensor x = a.take(canonical, longs(dims));
        WeightTensor y = canonical.endsWith(".q")
            ? b.takeHeads(canonical, 2, arena, longs(dims))
            : canonical.endsWith(".k")
                ? b.takeHeads(canonical, 1, arena, longs(dims))
                : b.take(canonical, longs(dims));
        assertEquals(-1, x.data().mismatch(y.data()), canonical);
      });
      assertNotEquals(
          -1, a.peek("layers.0.q").data().mismatch(b.peek("layers.0.q").data()));
      assertEquals(
          a.peek("layers.0.q").data().address(),
          a.takeHeads("layers.0.q", 2, arena, 64, 64).data().address(),
          "nothing to reorder, nothing copied");
      MLP.imageTensors().forEach((canonical, dims) -> {
        if (!canonical.startsWith("vision.post_norm")) {
          WeightTensor x = a.take(canonical, longs(dims));
          WeightTensor y = b.take(canonical, longs(dims));
          for (long i = 0; i < x.elements(); i++) {
            float exact = (float) Blocks.get(DType.F32, x.data(), i);
            float stored =
                y.dtype() == DType.F16 ? Float.float16ToFloat(Float.floatToFloat16(exact)) : exact;
            assertEquals(stored, Blocks.get(y.dtype(), y.data(), i), canonical + " element " + i);
          }
        }
      });
      assertEquals(List.of(), b.unexpected(2));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"q8_0", "q4_0"})
  void randomBlocksHaveTheSpreadOfTheFormula(String type) {
    DType dtype = DType.parse(type);
    int n = 1 << 16;
    Draw draw = new Draw(
        "layers.0.up", "language_model.model.layers.0.mlp.up_proj.weight", List.of(64L, 1024L), 3);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(dtype.bytes(n));
      draw.blocks(dtype, 0, to, n / 32);
      MemorySegment part = arena.allocate(dtype.bytes(64));
      draw.blocks(dtype, 5, part, 2);
      assertEquals(
          -1, part.mismatch(to.asSlice(dtype.bytes(160), dtype.bytes(64))), "pieces fit together");
      float[] exact = new float[n];
      draw.floats(0, exact, n);
      double sum = 0;
      double squares = 0;
      double exactSquares = 0;
      for (int i = 0; i < n; i++) {
        double x = Blocks.get(dtype, to, i);
        sum += x;
        squares += x * x;
        exactSquares += (double) exact[i] * exact[i];
      }
      double std = Math.sqrt(squares / n);
      // The square of a block's scale varies by 1/48 + 1 of its mean; six standard errors of 2048
      // blocks and of the mean.
      assertEquals(1, std / Math.sqrt(exactSquares / n) / Math.sqrt(1 + 1.0 / 48), 0.02, "seed 3");
      assertEquals(0, sum / n / std, 6 / Math.sqrt(n) * 2, "seed 3");
    }
  }

  @Test
  void theSameSeedGivesTheSameBytes() throws IOException {
    for (String run : List.of("a", "b", "c")) {
      new Synth(LINEAR, run.equals("c") ? 8 : 7, this::progress)
          .writeGguf(
              folder.resolve(run + ".gguf"),
              folder.resolve(run + "-mm.gguf"),
              DType.Q4_0,
              TOKENIZER,
              Synth.Fill.BLOCKS);
    }
    assertEquals(-1, Files.mismatch(folder.resolve("a.gguf"), folder.resolve("b.gguf")));
    assertEquals(-1, Files.mismatch(folder.resolve("a-mm.gguf"), folder.resolve("b-mm.gguf")));
    assertTrue(Files.mismatch(folder.resolve("a.gguf"), folder.resolve("c.gguf")) > 0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"llava-1.5-7b", "chatspot-7b"})
  void namedShapesHaveTheKnownNumberOfWeights(String name) {
    ModelShape shape = ModelShape.named(name);
    long text = count(shape.textTensors());
    long image = count(shape.imageTensors());
    // LLaMA-7B has 6,738,415,616 parameters with 32,000 rows in embedding and head
    // (arXiv:2302.13971, table 2: 6.7B).
    assertEquals(6_738_415_616L + 2L * 4096 * (shape.text().vocabulary() - 32000), text);
    // CLIP ViT-L/14 at 336: 303,507,456; at 224 the position table has 320 rows less. With the
    // projector of each.
    long tower = 303_507_456L - (name.startsWith("chatspot") ? 320L * 1024 : 0);
    long projector = 1024L * 4096 + 4096 + (shape.linearProjector() ? 0 : 4096L * 4096 + 4096);
    assertEquals(tower + projector, image);
  }

  private static long count(Map<String, List<Long>> tensors) {
    return tensors.values().stream()
        .mapToLong(d -> d.stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b))
        .sum();
  }

  private void progress(long done, long total, String tensor) {
    assertTrue(done > 0 && done <= total, tensor);
    lastDone = done;
  }

  private static Map<String, List<Long>> all(ModelShape shape) {
    Map<String, List<Long>> tensors = new LinkedHashMap<>(shape.textTensors());
    tensors.putAll(shape.imageTensors());
    return tensors;
  }

  private static long[] longs(List<Long> dims) {
    return dims.stream().mapToLong(Long::longValue).toArray();
  }
}
