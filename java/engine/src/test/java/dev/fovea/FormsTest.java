package dev.fovea;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.model.checkpoint.Conversion;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import dev.fovea.model.text.SentencePieceModel;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.tensor.DType;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.GgufFile;
import dev.fovea.weights.NameMap;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.TensorWriter;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.synth.Synth;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same weights as a Hugging Face directory of either generation, an original LLaVA directory and a GGUF pair: the same tokens. */
class FormsTest {
  private static final String TOKENIZER_CONFIG = """
      {"legacy": true, "add_bos_token": true, "add_eos_token": false, "added_tokens_decoder": {
        "32000": {"content": "<image>", "special": true, "normalized": false, "lstrip": false, "rstrip": false, "single_word": false}}}
      """;

  @TempDir
  static Path folder;

  private static Answer expected;

  @BeforeAll
  static void synthesize() throws IOException {
    expected =
        ask(synthesize("hf", ModelShape.named("tiny").text().headWidth()), FoveaOptions.DEFAULT);
    assertEquals(24, expected.tokens().size());
    assertTrue(
        expected.tokenIds().stream().distinct().count() > 4,
        "answers that repeat one token prove little: " + expected.tokenIds());
  }

  private static Path synthesize(String folderName, int headWidth) throws IOException {
    Path hf = Files.createDirectories(folder.resolve(folderName));
    ModelShape tiny = ModelShape.named("tiny");
    ModelShape.Text t = tiny.text();
    ModelShape shape = new ModelShape(
        "tiny",
        new ModelShape.Text(
            32064,
            t.hidden(),
            t.feedForward(),
            t.layers(),
            t.heads(),
            1,
            headWidth,
            t.normEpsilon(),
            t.ropeTheta(),
            1024),
        tiny.vision(),
        false,
        tiny.visionBlocksRun());
    new Synth(shape, 5, (done, total, name) -> {}).writeDirectory(hf, DType.F16);
    Files.write(
        hf.resolve("tokenizer.model"),
        SentencePieceModel.write(Tokenizer.llama().data()));
    Files.writeString(hf.resolve("tokenizer_config.json"), TOKENIZER_CONFIG);
    return hf;
  }

  private static Answer ask(Path model, FoveaOptions options) {
    byte[] rgb = new byte[90 * 60 * 3];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i * 7 + i / 90);
    }
    FoveaOptions same = options.toBuilder()
        .template("vicuna_v1")
        .regions("chatspot")
        .imageMode(ImageMode.PAD)
        .kvType(DType.F32)
        .build();
    try (Fovea fovea = Fovea.open(model, same);
        Session session = fovea.session()) {
      Question question = Question.of("What is this?")
          .picture(new Picture(90, 60, rgb))
          .region(new Region.Box(10, 5, 60, 40, Units.PIXEL));
      Answer answer =
          session.ask(question, Generation.DEFAULT.withMaxTokens(24).withIgnoreEos(true));
      assertEquals(List.of(), answer.warnings());
      return answer;
    }
  }

  @Test
  void cacheOfEightBits() throws IOException {
    FoveaOptions eight = FoveaOptions.builder().kvType(DType.Q8_0).build();
    try (Fovea fovea = Fovea.open(folder.resolve("hf"), eight);
        Session session = fovea.session()) {
      assertEquals(DType.Q8_0, fovea.compute(g -> g.runner().sizes().kvType()));
      Answer answer = session.ask(
          Question.of("What is this?"), Generation.DEFAULT.withMaxTokens(24).withIgnoreEos(true));
      assertEquals(24, answer.tokens().size());
    }
    Path narrow = synthesize("narrow", 48);
    InputException e = assertThrows(InputException.class, () -> Fovea.open(narrow, eight));
    assertEquals(
        narrow
            + ": width of the decoder's heads, for a key-value cache of q8_0: expected a multiple of 32, found 48",
        e.getMessage());
    e = assertThrows(
        InputException.class, () -> FoveaOptions.builder().kvType(DType.Q4_0).build());
    assertEquals("key-value cache type: expected f16, q8_0 or f32, found q4_0", e.getMessage());
  }

  private static void assertSame(Answer found) {
    assertEquals(expected.promptTokenIds(), found.promptTokenIds());
    assertEquals(expected.tokenIds(), found.tokenIds());
    assertEquals(expected.text(), found.text());
  }

  /** A copy of the directory whose tensors have other names. */
  private static Path renamed(String name, UnaryOperator<String> rename) throws IOException {
    Path to = Files.createDirectories(folder.resolve(name));
    for (String file : List.of(
        "config.json", "preprocessor_config.json", "tokenizer.model", "tokenizer_config.json")) {
      Files.copy(folder.resolve("hf").resolve(file), to.resolve(file));
    }
    copyTensors(to.resolve("model.safetensors"), rename, n -> true);
    return to;
  }

  private static void copyTensors(
      Path to, UnaryOperator<String> rename, java.util.function.Predicate<String> which) {
    try (Checkpoint from = Checkpoint.open(folder.resolve("hf"))) {
      Map<TensorSpec, WeightTensor> tensors = new LinkedHashMap<>();
      for (WeightTensor t : from.tensors().values()) {
        if (which.test(t.name())) {
          tensors.put(new TensorSpec(rename.apply(t.name()), t.dtype(), t.dims()), t);
        }
      }
      try (TensorWriter writer =
          TensorWriter.safetensors(to, Map.of("format", "pt"), List.copyOf(tensors.keySet()))) {
        tensors.forEach((spec, t) -> writer.append(spec, t.data()));
        writer.finish();
      }
    }
  }

  @Test
  void newerHuggingFaceNames() throws IOException {
    assertSame(ask(
        renamed(
            "newer",
            n -> n.startsWith("language_model.model.")
                ? n.replace("language_model.model.", "model.language_model.")
                : n.startsWith("language_model.lm_head")
                    ? n.replace("language_model.", "")
                    : "model." + n),
        FoveaOptions.DEFAULT));
  }

  @Test
  void originalLlavaWithItsTowerApart() throws IOException {
    NameMap hf = NameMap.named("hf-llava");
    NameMap llava = NameMap.named("llava");
    Path to = renamed("llava-v1.5", n -> n);
    Files.writeString(to.resolve("config.json"), """
        {"model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 352,
         "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32064, "rms_norm_eps": 1e-05,
         "max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 1, "mm_hidden_size": 128, "mm_projector_type": "mlp2x_gelu",
         "mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
         "mm_use_im_start_end": false, "image_aspect_ratio": "pad"}
        """);
    copyTensors(
        to.resolve("model.safetensors"),
        n -> llava.names(String.valueOf(hf.canonical(n))).getFirst(),
        n -> !n.startsWith("vision_tower."));
    Path clip = Files.createDirectories(folder.resolve("clip"));
    copyTensors(
        clip.resolve("model.safetensors"),
        n -> n.replace("vision_tower.", ""),
        n -> n.startsWith("vision_tower."));
    Files.writeString(clip.resolve("config.json"), """
        {"model_type": "clip", "vision_config": {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3,
         "num_attention_heads": 2, "patch_size": 14, "image_size": 336}}
        """);
    assertSame(ask(to, FoveaOptions.builder().vision(clip).build()));
  }

  @Test
  void ggufPair() throws IOException {
    Path to = Files.createDirectories(folder.resolve("gguf"));
    try (LoadedModel model = LoadedModel.open(folder.resolve("hf"), OpenOptions.NONE)) {
      Conversion.write(
          model,
          "tiny",
          to.resolve("tiny-f16.gguf"),
          to.resolve("mmproj-tiny-f16.gguf"),
          DType.F16,
          DType.F16,
          (d, n, s) -> {});
    }
    assertSame(ask(to, FoveaOptions.DEFAULT));
    assertSame(ask(to.resolve("tiny-f16.gguf"), FoveaOptions.DEFAULT));
  }

  /** llama.cpp takes it from the file; without it it writes prompts that the model never saw. */
  @Test
  void chatTemplatesAreHandedOn() throws IOException {
    Path to = renamed("templates", n -> n);
    assertNull(converted(to, "none"));

    String config = TOKENIZER_CONFIG.strip();
    Files.writeString(
        to.resolve("tokenizer_config.json"),
        config.substring(0, config.length() - 1) + ", \"chat_template\": \"{{ config }}\"}");
    assertEquals("{{ config }}", converted(to, "config"));

    Files.writeString(to.resolve("chat_template.json"), "{\"chat_template\": [{\"name\": \"a\"}]}");
    assertEquals("{{ config }}", converted(to, "several"));

    Files.writeString(to.resolve("chat_template.jinja"), "{{ file }} é");
    assertEquals("{{ file }} é", converted(to, "file"));
    assertEquals(
        "{{ file }} é", converted(to.resolve("file"), "again"), "from one GGUF pair to another");

    Files.write(to.resolve("chat_template.jinja"), new byte[] {(byte) 0xC3, '('});
    FileException refused = assertThrows(FileException.class, () -> converted(to, "bytes"));
    assertTrue(String.valueOf(refused.getMessage()).contains("chat_template.jinja"));
  }

  /** The chat template of what a model is converted to. */
  private static @Nullable String converted(Path model, String name) throws IOException {
    Path to = Files.createDirectories(model.resolve(name));
    try (LoadedModel loaded = LoadedModel.open(model, OpenOptions.NONE)) {
      Conversion.write(
          loaded,
          name,
          to.resolve("tiny.gguf"),
          to.resolve("mmproj.gguf"),
          DType.F16,
          DType.F16,
          (d, n, s) -> {});
    }
    try (Checkpoint written = Checkpoint.open(to.resolve("tiny.gguf"))) {
      return ((GgufFile) written.files().getFirst()).text("tokenizer.chat_template");
    }
  }
}
