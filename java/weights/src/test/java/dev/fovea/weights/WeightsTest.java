package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.refusal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.weights.convert.ModelShape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class WeightsTest {
  /** As small as a LLaVA can be, with fewer key/value heads than query heads. */
  static final ModelShape MLP = new ModelShape(
      "micro",
      new ModelShape.Text(48, 64, 96, 2, 2, 1, 32, 1e-5, 10000, 128),
      new ModelShape.Vision(32, 64, 3, 2, 14, 28, 1e-5, ModelShape.CLIP_MEAN, ModelShape.CLIP_STD),
      false,
      2);

  static final ModelShape LINEAR = new ModelShape("micro", MLP.text(), MLP.vision(), true, 2);

  @TempDir
  Path folder;

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void everyFamilyIsUnderstood(
      String name, ModelShape shape, List<Integer> choices, List<String> families) {
    Map<String, List<Long>> tensors = new LinkedHashMap<>(shape.textTensors());
    tensors.putAll(shape.imageTensors());
    Map<String, String> names = new LinkedHashMap<>();
    List<TensorSpec> specs = new ArrayList<>();
    for (int i = 0; i < families.size(); i++) {
      NameMap map = NameMap.named(families.get(i));
      int choice = choices.get(i);
      tensors.forEach((canonical, dims) -> {
        List<String> candidates = map.names(canonical);
        if (!candidates.isEmpty()) {
          String chosen = candidates.get(Math.min(choice, candidates.size() - 1));
          names.put(canonical, chosen);
          specs.add(new TensorSpec(chosen, DType.F16, dims));
        }
      });
      map.ignored()
          .forEach(g -> specs.add(
              new TensorSpec(g.replace("*", "x" + specs.size()), DType.F16, List.of(1L))));
    }
    specs.add(new TensorSpec("surprise", DType.F16, List.of(1L)));
    write(specs);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Weights weights = new Weights(checkpoint);
      assertEquals(families, weights.families().stream().map(NameMap::name).toList());
      assertEquals(3, weights.count("vision.blocks.{L}.norm1.weight"));
      assertEquals(2, weights.count("layers.{L}.q"));
      assertEquals(!shape.linearProjector(), weights.has("projector.1.weight"));
      tensors.forEach((canonical, dims) -> {
        if (!canonical.startsWith("vision.blocks.2.")
            && !canonical.startsWith("vision.post_norm")) {
          WeightTensor t =
              weights.take(canonical, dims.stream().mapToLong(Long::longValue).toArray());
          assertEquals(names.get(canonical), t.name());
          assertEquals(dims, t.dims());
        }
      });
      assertTrue(weights.unused().size() > 10, weights.unused().toString());
      assertEquals(List.of("surprise"), weights.unexpected(2));
      assertTrue(weights.unexpected(3).size() > 10, "the last block, were it run, is not spare");
    }
  }

  static Stream<Arguments> everyFamilyIsUnderstood() {
    return Stream.of(
        Arguments.of("transformers to 4.51", MLP, List.of(0), List.of("hf-llava")),
        Arguments.of("transformers 5", MLP, List.of(1), List.of("hf-llava")),
        Arguments.of("in memory", MLP, List.of(0), List.of("hf-llava-in-memory")),
        Arguments.of("in memory, transformers 5", MLP, List.of(1), List.of("hf-llava-in-memory")),
        Arguments.of("LLaVA 1.5", MLP, List.of(0), List.of("llava")),
        Arguments.of("LLaVA 1", LINEAR, List.of(1), List.of("llava")),
        Arguments.of("MMGPT", LINEAR, List.of(2), List.of("llava")),
        Arguments.of("GGUF names", MLP, List.of(0, 0), List.of("gguf-llama", "gguf-clip")),
        Arguments.of(
            "GGUF, feed-forward not swapped",
            MLP,
            List.of(0, 1),
            List.of("gguf-llama", "gguf-clip")),
        Arguments.of("GGUF, linear", LINEAR, List.of(0, 1), List.of("gguf-llama", "gguf-clip")));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aVisionTowerMayHaveADirectoryOfItsOwn(int choice) {
    NameMap llava = NameMap.named("llava");
    NameMap clip = NameMap.named("clip");
    List<TensorSpec> main = new ArrayList<>();
    LINEAR
        .textTensors()
        .forEach((c, d) -> main.add(new TensorSpec(llava.names(c).getFirst(), DType.F16, d)));
    List<TensorSpec> tower = new ArrayList<>();
    LINEAR.imageTensors().forEach((c, d) -> {
      if (c.startsWith("projector")) {
        main.add(new TensorSpec(llava.names(c).get(1), DType.F16, d));
      } else {
        tower.add(new TensorSpec(clip.names(c).get(choice), DType.F16, d));
      }
    });
    tower.add(new TensorSpec("text_model.final_layer_norm.bias", DType.F16, List.of(3L)));
    tower.add(new TensorSpec("logit_scale", DType.F16, List.of()));
    Path vision = folder.resolve("clip/model.safetensors");
    write(main);
    write(vision, tower);
    try (Checkpoint checkpoint = Checkpoint.open(List.of(folder, vision.resolveSibling("")))) {
      Weights weights = new Weights(checkpoint);
      weights.take("vision.class", 32);
      assertEquals(
          4L * 3 * 14 * 14 * 8, weights.take("vision.patch", 32, 3, 14, 14).elements());
      assertEquals(
          vision.toAbsolutePath().normalize(),
          weights.peek("vision.class").file().toAbsolutePath().normalize());
      assertFalse(weights.unexpected(2).contains("logit_scale"));
      assertFalse(weights.unexpected(2).contains("text_model.final_layer_norm.bias"));
      assertTrue(weights.unexpected(2).contains("model.embed_tokens.weight"), "nobody took it");
    }
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Weights weights = new Weights(checkpoint);
      String message = refusal(FileException.class, () -> weights.take("vision.class", 32));
      assertTrue(
          message.contains("tensor vision.class is missing: expected ")
              && message.contains(
                  "model.vision_tower.vision_tower.vision_model.embeddings.class_embedding")
              && message.contains(folder.toString()),
          message);
    }
  }

  @Test
  void mismatchesNameTheTensor() {
    write(List.of(
        new TensorSpec("language_model.model.embed_tokens.weight", DType.F16, List.of(4L, 8L)),
        new TensorSpec("language_model.model.norm.weight", DType.I32, List.of(8L))));
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Weights weights = new Weights(checkpoint);
      String sizes = refusal(FileException.class, () -> weights.take("embed", 4, 9));
      assertTrue(sizes.contains("tensor language_model.model.embed_tokens.weight at byte"), sizes);
      assertTrue(sizes.contains("(embed): sizes: expected [4, 9], found [4, 8]"), sizes);
      String type = refusal(FileException.class, () -> weights.take("norm", 8));
      assertTrue(type.contains("(norm)") && type.contains("found I32"), type);
      assertEquals(2, weights.unused().size());
    }
  }

  @Test
  void unknownFamiliesAreRefused() {
    write(List.of(new TensorSpec("transformer.h.0.attn.bias", DType.F16, List.of(4L))));
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      String message = refusal(FileException.class, () -> new Weights(checkpoint));
      assertTrue(
          message.contains("no known model family")
              && message.contains("transformer.h.0.attn.bias"),
          message);
    }
    assertTrue(refusal(InputException.class, () -> NameMap.named("gpt")).contains("hf-llava"));
    String line = refusal(InputException.class, () -> NameMap.parse("x", "# fine\nsomething else"));
    assertTrue(line.contains("names/x.txt line 2"), line);
  }

  @Test
  void namesAreDistinctAndLeadBack() {
    Map<String, List<Long>> tensors = new LinkedHashMap<>(MLP.textTensors());
    tensors.putAll(MLP.imageTensors());
    for (NameMap map : NameMap.ALL) {
      List<String> first =
          tensors.keySet().stream().flatMap(c -> map.names(c).stream().limit(1)).toList();
      assertEquals(first.size(), first.stream().distinct().count(), map.name());
      for (String canonical : tensors.keySet()) {
        for (String name : map.names(canonical).stream().limit(1).toList()) {
          assertEquals(canonical, map.canonical(name), map.name() + " " + name);
        }
      }
    }
  }

  private void write(List<TensorSpec> specs) {
    write(folder.resolve("model.safetensors"), specs);
  }

  private static void write(Path path, List<TensorSpec> specs) {
    try (TensorWriter writer = TensorWriter.safetensors(path, Map.of(), specs)) {
      specs.forEach(s -> writer.append(s, MemorySegment.ofArray(new byte[(int) s.bytes()])));
      writer.finish();
    }
  }
}
