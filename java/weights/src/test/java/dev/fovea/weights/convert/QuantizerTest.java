package dev.fovea.weights.convert;

import static dev.fovea.weights.MicroModel.LINEAR;
import static dev.fovea.weights.MicroModel.MLP;
import static dev.fovea.weights.MicroModel.TOKENIZER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.CancelledException;
import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.GgufFile;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.TensorWriter;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import dev.fovea.weights.synth.Synth;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class QuantizerTest {
  private static final Quantizer.Progress QUIET = (done, total, tensor) -> {};

  @TempDir
  Path folder;

  /** Two ways to the same file: quantize a safetensors checkpoint, or draw the same numbers straight into GGUF. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "Q8_0", "Q4_0"})
  void agreesByteForByteWithNumbersDrawnDirectly(DType type) throws IOException {
    for (ModelShape shape : List.of(MLP, LINEAR)) {
      Path hf = folder.resolve("hf" + shape.linearProjector());
      new Synth(shape, 11, QUIET).writeDirectory(hf, DType.F32);
      new Synth(shape, 11, QUIET)
          .writeGguf(
              folder.resolve("drawn.gguf"),
              folder.resolve("drawn-mm.gguf"),
              type,
              TOKENIZER,
              Synth.Fill.EXACT);
      List<Quantizer.TensorError> errors = quantize(hf, "made", shape, type);
      assertEquals(-1, Files.mismatch(folder.resolve("drawn.gguf"), folder.resolve("made.gguf")));
      assertEquals(
          -1, Files.mismatch(folder.resolve("drawn-mm.gguf"), folder.resolve("made-mm.gguf")));
      assertErrors(errors);
    }
  }

  /** The largest rounding error of each type relative to the largest element, and these are at most √3 · rms (uniform numbers). */
  private static void assertErrors(List<Quantizer.TensorError> errors) {
    for (Quantizer.TensorError e : errors) {
      double unit = switch (e.to()) {
        case F32, I32, U8, Q4_G128 -> 0; // the last three are never written
        case F16 -> 0x1p-11;
        case BF16 -> 0x1p-8;
        case Q8_0 -> 0.5 / 127 + 0x1p-11;
        // The step is max/8 and the largest value of the other sign may lie a whole step beyond the
        // last level.
        case Q4_0 -> 1.0 / 8 + 0x1p-11;
      };
      assertTrue(e.max() <= unit * Math.sqrt(3) * 1.3, e + " exceeds " + unit);
      assertTrue(e.rms() <= e.max(), e.toString());
      assertEquals(e.from() != e.to(), e.rms() > 0, e.toString());
    }
  }

  @Test
  void aGgufPairIsRequantized() throws IOException {
    new Synth(MLP, 5, QUIET)
        .writeGguf(
            folder.resolve("a/llm.gguf"),
            folder.resolve("a/mm.gguf"),
            DType.Q8_0,
            TOKENIZER,
            Synth.Fill.EXACT);
    List<Quantizer.TensorError> same = quantize(folder.resolve("a"), "same", MLP, DType.Q8_0);
    assertEquals(-1, Files.mismatch(folder.resolve("a/llm.gguf"), folder.resolve("same.gguf")));
    assertEquals(-1, Files.mismatch(folder.resolve("a/mm.gguf"), folder.resolve("same-mm.gguf")));
    assertTrue(same.stream().allMatch(e -> e.rms() == 0 && e.max() == 0));
    List<Quantizer.TensorError> smaller = quantize(folder.resolve("a"), "smaller", MLP, DType.Q4_0);
    Quantizer.TensorError up = smaller.stream()
        .filter(e -> e.name().equals("blk.0.ffn_up.weight"))
        .findFirst()
        .orElseThrow();
    assertEquals(DType.Q8_0, up.from());
    assertTrue(up.rms() > 0.02 && up.rms() < 0.15, up.toString());
  }

  @Test
  void metadataSaysWhatLlamaCppAsksFor() {
    new Synth(LINEAR, 5, QUIET).writeDirectory(folder.resolve("hf"), DType.F16);
    quantize(folder.resolve("hf"), "m", LINEAR, DType.Q4_0);
    try (Checkpoint checkpoint =
        Checkpoint.open(List.of(folder.resolve("m.gguf"), folder.resolve("m-mm.gguf")))) {
      GgufFile llm = (GgufFile) checkpoint.files().getFirst();
      assertEquals("llama", llm.text("general.architecture"));
      assertEquals(2, llm.integer("general.file_type"));
      assertEquals(1, llm.integer("llama.attention.head_count_kv"));
      assertEquals(48, llm.texts("tokenizer.ggml.tokens").size());
      assertEquals("[PAD47]", llm.texts("tokenizer.ggml.tokens").getLast());
      assertEquals(5.0, llm.reals("tokenizer.ggml.token_type").getLast());
      assertFalse(llm.bool("tokenizer.ggml.add_space_prefix"));
      assertEquals("{{ x }}", llm.text("tokenizer.chat_template"));
      assertEquals(DType.Q8_0, type(llm, "output.weight"));
      assertEquals(DType.Q4_0, type(llm, "token_embd.weight"));
      assertEquals(DType.F32, type(llm, "blk.1.ffn_norm.weight"));
      GgufFile image = (GgufFile) checkpoint.files().getLast();
      assertEquals("clip", image.text("general.architecture"));
      assertEquals("linear", image.text("clip.projector_type"));
      assertTrue(image.tensors().containsKey("mm.weight"));
      assertEquals(3, image.integer("clip.vision.block_count"));
      assertFalse(image.has("clip.vision.feature_layer"));
      assertEquals(DType.F16, type(image, "v.patch_embd.weight"));
      assertEquals(List.of(64L, 32L), tensor(image, "v.blk.0.ffn_down.weight").dims(), "fc1");
    }
  }

  @Test
  void notesAreAddedAndDoNotReplace() {
    new Synth(MLP, 5, QUIET).writeDirectory(folder.resolve("hf"), DType.F16);
    try (Checkpoint hf = Checkpoint.open(folder.resolve("hf"))) {
      new Quantizer(new Weights(hf), MLP, QUIET)
          .noting(
              Map.of("fovea.template", GgufValue.of("chatspot")),
              Map.of("fovea.image_mode", GgufValue.of("pad")))
          .write(
              folder.resolve("m.gguf"),
              folder.resolve("m-mm.gguf"),
              DType.Q8_0,
              DType.F16,
              TOKENIZER);
      Quantizer replacing = new Quantizer(new Weights(hf), MLP, QUIET)
          .noting(Map.of("llama.block_count", GgufValue.u32(1)), Map.of());
      assertThrows(
          InputException.class,
          () -> replacing.write(
              folder.resolve("r.gguf"),
              folder.resolve("r-mm.gguf"),
              DType.Q8_0,
              DType.F16,
              TOKENIZER));
    }
    try (Checkpoint checkpoint =
        Checkpoint.open(List.of(folder.resolve("m.gguf"), folder.resolve("m-mm.gguf")))) {
      assertEquals("chatspot", ((GgufFile) checkpoint.files().getFirst()).text("fovea.template"));
      assertEquals("pad", ((GgufFile) checkpoint.files().getLast()).text("fovea.image_mode"));
    }
  }

  @Test
  void fewerStoredBlocksAreSaidToBeRunInFull() throws IOException {
    new Synth(MLP.withVisionBlocks(2), 5, QUIET).writeDirectory(folder.resolve("hf"), DType.F16);
    quantize(folder.resolve("hf"), "m", MLP, DType.F16);
    try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("m-mm.gguf"))) {
      GgufFile image = (GgufFile) checkpoint.files().getFirst();
      assertEquals(2, image.integer("clip.vision.block_count"));
      assertEquals(List.of(2.0), image.reals("clip.vision.feature_layer"));
    }
    Files.delete(folder.resolve("hf/model.safetensors"));
    new Synth(MLP.withVisionBlocks(1), 5, QUIET).writeDirectory(folder.resolve("hf"), DType.F16);
    String message = String.valueOf(
        assertThrows(FileException.class, () -> quantize(folder.resolve("hf"), "n", MLP, DType.F16))
            .getMessage());
    assertTrue(message.contains("vision.blocks.1.norm1.weight is missing"), message);
  }

  @Test
  void valuesThatCannotBeStoredAreNamedAndNoFileIsLeft() throws IOException {
    Path hf = folder.resolve("hf");
    new Synth(MLP, 5, QUIET).writeDirectory(hf, DType.F32);
    Path broken = folder.resolve("broken/model.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(hf)) {
      List<TensorSpec> specs = checkpoint.tensors().values().stream()
          .map(t -> new TensorSpec(t.name(), t.dtype(), t.dims()))
          .toList();
      try (TensorWriter writer = TensorWriter.safetensors(broken, Map.of(), specs);
          Arena arena = Arena.ofConfined()) {
        for (TensorSpec spec : specs) {
          MemorySegment copy = arena.allocate(spec.bytes());
          WeightTensor t = checkpoint.tensors().get(spec.name());
          copy.copyFrom(Objects.requireNonNull(t).data());
          if (spec.name().endsWith("layers.1.mlp.down_proj.weight")) {
            Blocks.set(DType.F32, copy, 96 * 3 + 5, Float.POSITIVE_INFINITY);
          }
          writer.append(spec, copy);
        }
        writer.finish();
      }
    }
    String message = String.valueOf(
        assertThrows(FileException.class, () -> quantize(broken, "m", MLP, DType.Q8_0))
            .getMessage());
    assertTrue(message.contains("layers.1.mlp.down_proj.weight row 3 element "), message);
    assertTrue(message.contains("a value that q8_0 can hold"), message);
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(
          List.of("broken", "hf"),
          files.map(p -> p.getFileName().toString()).sorted().toList());
    }
  }

  @Test
  void progressCountsToTheEndAndCanStop() throws IOException {
    new Synth(MLP, 5, QUIET).writeDirectory(folder.resolve("hf"), DType.F16);
    List<Long> seen = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("hf"))) {
      new Quantizer(new Weights(checkpoint), MLP, (done, total, tensor) -> {
            seen.add(done);
            seen.add(total);
          })
          .write(
              folder.resolve("m.gguf"),
              folder.resolve("m-mm.gguf"),
              DType.Q4_0,
              DType.F16,
              TOKENIZER);
      assertEquals(seen.getLast(), seen.get(seen.size() - 2));
      Quantizer stopping = new Quantizer(new Weights(checkpoint), MLP, (done, total, tensor) -> {
        throw new CancelledException("conversion");
      });
      assertThrows(
          CancelledException.class,
          () -> stopping.write(
              folder.resolve("s.gguf"),
              folder.resolve("s-mm.gguf"),
              DType.Q4_0,
              DType.F16,
              TOKENIZER));
    }
    assertFalse(Files.exists(folder.resolve("s.gguf")));
    assertFalse(Files.exists(folder.resolve("s.gguf.part")));
  }

  @Test
  void tooManyTokensAreRefused() {
    List<String> pieces = Stream.generate(() -> "x").limit(49).toList();
    TokenizerDescription large = new TokenizerDescription(
        pieces,
        pieces.stream().map(p -> 0f).toList(),
        pieces.stream().map(p -> 1).toList(),
        1,
        2,
        0,
        -1,
        true,
        true,
        null);
    String message = String.valueOf(
        assertThrows(InputException.class, () -> GgufPair.decoderMetadata(MLP, DType.Q4_0, large))
            .getMessage());
    assertTrue(message.contains("at most 48 tokens") && message.contains("found 49"), message);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_G128"})
  void fastDecodingIsTheDefinition(DType dtype) {
    Random random = new Random(17);
    float[] x = new float[384];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(8 + dtype.bytes(384));
      Blocks.quantize(dtype, x, 0, 384, data, 8);
      float[] decoded = new float[384];
      Rows.decode(dtype, data, 8, decoded, 384);
      for (int i = 0; i < 384; i++) {
        assertEquals(
            (float) Blocks.get(dtype, data.asSlice(8), i), decoded[i], "seed 17, element " + i);
      }
    }
  }

  private List<Quantizer.TensorError> quantize(Path from, String to, ModelShape shape, DType type) {
    try (Checkpoint checkpoint = Checkpoint.open(from)) {
      return new Quantizer(new Weights(checkpoint), shape, QUIET)
          .write(
              folder.resolve(to + ".gguf"),
              folder.resolve(to + "-mm.gguf"),
              type,
              DType.F16,
              TOKENIZER);
    }
  }

  private static WeightTensor tensor(GgufFile file, String name) {
    return Objects.requireNonNull(file.tensors().get(name), name);
  }

  private static DType type(GgufFile file, String name) {
    return tensor(file, name).dtype();
  }
}
