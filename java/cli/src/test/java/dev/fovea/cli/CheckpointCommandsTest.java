package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** synth, inspect, quantize and tokenize on one tiny checkpoint. */
class CheckpointCommandsTest {
  @TempDir
  Path folder = Path.of("");

  private static Scripted run(String... args) {
    Scripted scripted = new Scripted(q -> "");
    int code = scripted.run("", args);
    assertEquals(0, code, scripted::err);
    return scripted;
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aCheckpointIsMadeLookedAtAndQuantized() throws IOException {
    Path hf = folder.resolve("made");
    run("synth", "tiny", "--hf", "--quant", "f16", "-o", hf.toString(), "--seed", "3");
    assertTrue(
        names(hf).containsAll(List.of("config.json", "model.safetensors", "tokenizer.model")),
        () -> "made");

    JsonNode found =
        JsonMapper.shared().readTree(run("inspect", hf.toString(), "--json").out());
    assertTrue(
        found.path("opens").stringValue().startsWith("yes, as Hugging Face"), found::toString);
    List<String> unused =
        found.path("unused").valueStream().map(JsonNode::stringValue).toList();
    assertEquals(
        16 + 2, unused.size(), "the last of three vision blocks and the norm after it are not run");
    assertTrue(
        unused.stream()
            .allMatch(n -> n.contains("encoder.layers.2.") || n.contains("post_layernorm")),
        unused::toString);
    assertEquals("F16", found.path("types").get(0).path("dtype").stringValue());
    long bytes = 0;
    for (JsonNode tensor : found.path("tensors")) {
      bytes += tensor.path("bytes").longValue();
    }
    assertEquals(bytes, found.path("bytes").longValue());
    assertEquals(2 * found.path("parameters").longValue(), bytes);
    assertTrue(run("inspect", hf.toString()).out().contains("| (unused) "));

    Path pair = folder.resolve("pair");
    Scripted quantized = run("quantize", hf.toString(), "--to", "q4_0", "-o", pair.toString());
    assertEquals(List.of("made-q4_0.gguf", "mmproj-made-f16.gguf"), names(pair));
    assertTrue(quantized.out().contains("| blk.0.attn_q.weight "), quantized.out());
    assertTrue(quantized.out().contains("| q4_0 |"), quantized.out());

    Scripted again = new Scripted(q -> "");
    assertEquals(
        2, again.run("", "quantize", hf.toString(), "--to", "q8_0", "-o", pair.toString()));
    assertEquals(
        "fovea: " + pair + ": holds made-q4_0.gguf already; expected a new folder",
        again.err().strip());

    for (Path model : List.of(hf, pair)) {
      JsonNode tokens = JsonMapper.shared()
          .readTree(
              run("tokenize", "-m", model.toString(), "--json", "Hello world").out());
      assertEquals("[15043,3186]", tokens.path("tokens").toString(), model::toString);
    }
  }
}
