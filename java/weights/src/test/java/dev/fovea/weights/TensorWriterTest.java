package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.refusal;
import static dev.fovea.weights.SafetensorsFileTest.tensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorWriterTest {
  private static final List<TensorSpec> SPECS = List.of(
      new TensorSpec("a", DType.F32, List.of(3L)),
      new TensorSpec("empty", DType.F16, List.of(0L)),
      new TensorSpec("b", DType.BF16, List.of(2L, 5L)));

  @TempDir
  Path folder;

  @Test
  void safetensorsComeBack() throws IOException {
    Path path = folder.resolve("deep/model.safetensors");
    byte[] a = random(12);
    byte[] b = random(20);
    try (TensorWriter writer = TensorWriter.safetensors(path, Map.of("format", "pt"), SPECS)) {
      assertEquals(32, writer.totalBytes());
      writer.append(SPECS.get(0), MemorySegment.ofArray(a));
      writer.append(SPECS.get(2), MemorySegment.ofArray(b).asSlice(0, 7));
      writer.append(SPECS.get(2), MemorySegment.ofArray(b).asSlice(7));
      assertFalse(Files.exists(path));
      writer.finish();
    }
    assertEquals(List.of("model.safetensors"), files(folder.resolve("deep")));
    try (Arena arena = Arena.ofConfined()) {
      SafetensorsFile file = (SafetensorsFile) TensorFile.open(path, arena);
      assertEquals(Map.of("format", "pt"), file.metadata());
      assertEquals(0, tensor(file, "a").offset() % 8);
      assertEquals(-1, tensor(file, "a").data().mismatch(MemorySegment.ofArray(a)));
      assertEquals(-1, tensor(file, "b").data().mismatch(MemorySegment.ofArray(b)));
      assertEquals(List.of(2L, 5L), tensor(file, "b").dims());
    }
  }

  @Test
  void ggufComesBackAligned() {
    List<TensorSpec> specs = List.of(
        new TensorSpec("a", DType.Q4_0, List.of(3L, 32L)),
        new TensorSpec("b", DType.F16, List.of(2L, 1L, 3L)),
        new TensorSpec("c", DType.Q8_0, List.of(32L)));
    Path path = folder.resolve("m.gguf");
    byte[] a = random(54);
    try (TensorWriter writer = TensorWriter.gguf(path, Map.of("k", GgufValue.of("v")), specs)) {
      writer.append(specs.get(0), MemorySegment.ofArray(a));
      writer.append(specs.get(1), MemorySegment.ofArray(random(12)));
      writer.append(specs.get(2), MemorySegment.ofArray(random(34)));
      writer.finish();
    }
    try (Arena arena = Arena.ofConfined()) {
      TensorFile file = TensorFile.open(path, arena);
      assertEquals(-1, tensor(file, "a").data().mismatch(MemorySegment.ofArray(a)));
      for (TensorSpec spec : specs) {
        WeightTensor t = tensor(file, spec.name());
        assertEquals(spec.dims(), t.dims());
        assertEquals(spec.dtype(), t.dtype());
        assertEquals(0, t.offset() % 32);
      }
    }
  }

  @Test
  void nothingIsLeftUnlessFinished() throws IOException {
    Path path = Files.writeString(folder.resolve("model.safetensors"), "the old file");
    try (TensorWriter writer = TensorWriter.safetensors(path, Map.of(), SPECS)) {
      writer.append(SPECS.get(0), MemorySegment.ofArray(new byte[12]));
      assertEquals(List.of("model.safetensors", "model.safetensors.part"), files(folder));
      String message = refusal(InputException.class, writer::finish);
      assertTrue(
          message.contains("not complete: tensor b: expected 20 bytes, found 0 bytes"), message);
    }
    assertEquals(List.of("model.safetensors"), files(folder));
    assertEquals("the old file", Files.readString(path));
  }

  @Test
  void mistakesAreRefused() {
    Path path = folder.resolve("model.safetensors");
    try (TensorWriter writer = TensorWriter.safetensors(path, Map.of(), SPECS)) {
      String order = refusal(
          InputException.class,
          () -> writer.append(SPECS.get(2), MemorySegment.ofArray(new byte[1])));
      assertTrue(order.contains("next tensor") && order.contains("name=a"), order);
      String long13 = refusal(
          InputException.class,
          () -> writer.append(SPECS.get(0), MemorySegment.ofArray(new byte[13])));
      assertTrue(long13.contains("expected 12 more, found 13"), long13);
      String second = refusal(
          FileException.class,
          () -> TensorWriter.safetensors(path, Map.of(), SPECS).close());
      assertTrue(second.contains("is writing this file"), second);
    }
    List<TensorSpec> twice = List.of(SPECS.get(0), SPECS.get(0));
    assertTrue(refusal(
            InputException.class, () -> TensorWriter.gguf(path, Map.of(), twice).close())
        .contains("twice"));
    List<TensorSpec> q4 = List.of(new TensorSpec("q", DType.Q4_0, List.of(32L)));
    assertTrue(refusal(
            InputException.class,
            () -> TensorWriter.safetensors(path, Map.of(), q4).close())
        .contains("q4_0"));
  }

  private static byte[] random(int n) {
    byte[] bytes = new byte[n];
    new Random(n).nextBytes(bytes);
    return bytes;
  }

  private static List<String> files(Path folder) throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }
}
