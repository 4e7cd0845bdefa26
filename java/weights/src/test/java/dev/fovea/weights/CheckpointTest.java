package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.refusal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
  @TempDir
  Path folder;

  @Test
  void shardsAreOneCheckpoint() throws IOException {
    shard("m-1.safetensors", "a", "b");
    shard("m-2.safetensors", "c");
    index("\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"");
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertEquals(Set.of("a", "b", "c"), checkpoint.tensors().keySet());
      assertEquals(2, checkpoint.files().size());
    }
  }

  @Test
  void aMissingShardIsNamed() throws IOException {
    shard("m-1.safetensors", "a");
    index("\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"");
    assertRefused("names shard m-2.safetensors, which is missing", "the first c");
  }

  @Test
  void aTensorThatTheShardLacksIsNamed() throws IOException {
    shard("m-1.safetensors", "a");
    index("\"a\":\"m-1.safetensors\",\"z\":\"m-1.safetensors\"");
    assertRefused("places tensor z in m-1.safetensors, which lacks it");
  }

  @Test
  void aTensorInTwoShardsIsRefused() throws IOException {
    shard("m-1.safetensors", "a");
    shard("m-2.safetensors", "a", "b");
    index("\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"");
    assertRefused("m-2.safetensors", "tensor a at byte", "is also in", "m-1.safetensors");
  }

  @Test
  void anIndexCannotLeaveItsDirectory() throws IOException {
    index("\"a\":\"../secret.safetensors\"");
    assertRefused("weight_map field a", "in this directory", "../secret.safetensors");
    index("\"a\":7");
    assertRefused("weight_map field a");
    index("");
    assertRefused("field weight_map");
    Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"weight_map\":");
    assertRefused("is not readable JSON");
  }

  @Test
  void otherDirectoriesSayWhatIsMissing() throws IOException {
    assertRefused(
        "expected model.safetensors, model.safetensors.index.json or .gguf files, found none of these");
    Files.writeString(folder.resolve("pytorch_model.bin"), "");
    assertRefused("pytorch_model.bin", "PyTorch pickles");
    shard("x.safetensors", "a");
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertEquals(Set.of("a"), checkpoint.tensors().keySet());
    }
    shard("y.safetensors", "b");
    assertRefused("2 other .safetensors files");
    String none = refusal(
        FileException.class, () -> Checkpoint.open(folder.resolve("nowhere")).close());
    assertTrue(none.endsWith("nowhere: no such file"), none);
  }

  @Test
  void aGgufPairIsOneCheckpointAndPartsAreRefused() {
    gguf("a.gguf", Map.of(), "a");
    gguf("b.gguf", Map.of("split.count", GgufValue.u32(1)), "b");
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertEquals(Set.of("a", "b"), checkpoint.tensors().keySet());
    }
    gguf("c.gguf", Map.of("split.count", GgufValue.u32(2)), "c");
    assertRefused("c.gguf", "split.count", "found 2");
  }

  private void assertRefused(String... parts) {
    String message = refusal(FileException.class, () -> Checkpoint.open(folder).close());
    for (String part : parts) {
      assertTrue(message.contains(part), "expected '" + part + "' in: " + message);
    }
  }

  private void index(String map) throws IOException {
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"metadata\":{},\"weight_map\":{" + map + "}}");
  }

  private void shard(String file, String... names) {
    List<TensorSpec> specs = specs(names);
    fill(TensorWriter.safetensors(folder.resolve(file), Map.of(), specs), specs);
  }

  private void gguf(String file, Map<String, GgufValue> metadata, String... names) {
    List<TensorSpec> specs = specs(names);
    fill(TensorWriter.gguf(folder.resolve(file), metadata, specs), specs);
  }

  private static List<TensorSpec> specs(String... names) {
    return List.of(names).stream()
        .map(n -> new TensorSpec(n, DType.F32, List.of(1L)))
        .toList();
  }

  private static void fill(TensorWriter writer, List<TensorSpec> specs) {
    try (writer) {
      specs.forEach(s -> writer.append(s, MemorySegment.ofArray(new byte[4])));
      writer.finish();
    }
  }
}
