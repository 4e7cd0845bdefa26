package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.assertRefused;
import static dev.fovea.weights.HostileFiles.refusal;
import static dev.fovea.weights.HostileFiles.safetensors;
import static dev.fovea.weights.HostileFiles.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsFileTest {
  @TempDir
  Path folder;

  @Test
  void readsNamesSizesAndData() {
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
            + "\"a\":{\"data_offsets\":[0,4],\"shape\":[2],\"dtype\":\"BF16\"},"
            + "\"none\":{\"dtype\":\"F16\",\"shape\":[0,4],\"data_offsets\":[12,12]},"
            + "\"one\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[12,20]}}   ";
    byte[] bytes = safetensors(header, 20);
    int data = bytes.length - 20;
    bytes[data + 2] = (byte) 0x80; // bf16 0x3f80 is 1
    bytes[data + 3] = 0x3f;
    Path path = write(folder, "m.safetensors", bytes);
    try (Arena arena = Arena.ofConfined()) {
      SafetensorsFile file = (SafetensorsFile) TensorFile.open(path, arena);
      assertEquals("pt", file.metadata().get("format"));
      assertEquals(List.of("b", "a", "none", "one"), List.copyOf(file.tensors().keySet()));
      WeightTensor a = tensor(file, "a");
      assertEquals(data, a.offset());
      assertEquals(1, a.tensor(Shape.of(Axis.T, 2)).get(1));
      assertEquals(List.of(2L, 1L), tensor(file, "b").dims());
      assertEquals(0, tensor(file, "none").rows());
      WeightTensor one = tensor(file, "one");
      assertEquals(8, one.bytes());
      String refusal = refusal(FileException.class, one::dtype);
      assertTrue(refusal.contains("tensor one at byte") && refusal.contains("found I64"), refusal);
      assertThrows(FileException.class, () -> a.tensor(Shape.of(Axis.T, 3)));
    }
  }

  @Test
  void useAfterCloseIsRefused() {
    Path path = write(
        folder,
        "model.safetensors",
        safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4));
    Checkpoint checkpoint = Checkpoint.open(path);
    WeightTensor a = tensor(checkpoint.files().getFirst(), "a");
    assertEquals(4, a.data().byteSize());
    checkpoint.close();
    checkpoint.close();
    String message = refusal(InputException.class, a::data);
    assertTrue(message.contains("tensor a was used after") && message.contains("closed"), message);
  }

  @Test
  void gigabytesAreNotTouched() throws IOException {
    long elements = 3L << 30;
    String header = "{\"big\":{\"dtype\":\"F16\",\"shape\":[" + (elements / 4096)
        + ",4096],\"data_offsets\":[0," + elements * 2 + "]}}";
    Path path = write(folder, "model.safetensors", safetensors(header, 0));
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      long end = file.length() + elements * 2; // sparse: 6 GiB that take no room
      file.setLength(end);
      file.seek(end - 2);
      file.write(new byte[] {0, 0x3c}); // f16 1
    }
    System.gc();
    long heap = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    long start = System.nanoTime();
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      long took = System.nanoTime() - start;
      WeightTensor big = tensor(checkpoint.files().getFirst(), "big");
      assertEquals(1, Blocks.get(DType.F16, big.data(), elements - 1));
      assertTrue(took < 1_000_000_000L, "opening took " + took / 1_000_000 + " ms");
      long more = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory() - heap;
      assertTrue(more < 64 << 20, more + " bytes of heap");
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void hostileFilesAreRefused(String name, byte[] content, List<String> parts) {
    Path file = write(folder, "x.safetensors", content);
    assertRefused(file, parts.toArray(String[]::new));
  }

  static Stream<Arguments> hostileFilesAreRefused() {
    String ok = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";
    return Stream.of(
        hostile("empty file", new byte[0], "header length at byte 0", "found 0 bytes"),
        hostile("no whole length", new byte[7], "header length at byte 0", "found 7 bytes"),
        hostile("length of zero", new byte[64], "header length at byte 0", "found 0"),
        hostile(
            "length of 2^64-1",
            new HostileFiles().u64(-1).data(64).bytes(),
            "found 18446744073709551615"),
        hostile(
            "oversized header",
            new HostileFiles().u64(100_000_001).data(64).bytes(),
            "100000000",
            "100000001"),
        hostile(
            "truncated header",
            new HostileFiles().u64(1000).raw(new byte[20]).bytes(),
            "header at byte 8",
            "expected 1000 bytes, found 20 left"),
        hostile("not JSON", safetensors("hello world", 0), "is not valid JSON"),
        hostile("unfinished JSON", safetensors("{\"a\":" + ok, 8), "JSON"),
        hostile("an array", safetensors("[1,2]", 0), "expected START_OBJECT"),
        hostile("more JSON", safetensors("{}{}", 0), "more JSON follows"),
        hostile(
            "deep JSON",
            safetensors("{\"__metadata__\":" + "[".repeat(100_000), 0),
            "expected START_OBJECT"),
        hostile(
            "twice",
            safetensors("{\"a\":" + ok + ",\"a\":" + ok + "}", 8),
            "tensor a is listed twice"),
        hostile("unknown dtype", header("Q9", "[2]", "[0,8]", 8), "tensor a: dtype", "found Q9"),
        hostile("dtype is a number", header2("7"), "tensor a: dtype", "expected VALUE_STRING"),
        hostile(
            "unknown field", safetensors("{\"a\":{\"strides\":[1]}}", 0), "unknown field strides"),
        hostile(
            "no dtype",
            safetensors("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8),
            "found dtype null"),
        hostile("negative size", header("F32", "[-2]", "[0,8]", 8), "sizes of at least 0", "[-2]"),
        hostile(
            "size is a fraction",
            header("F32", "[2.5]", "[0,8]", 8),
            "whole numbers",
            "VALUE_NUMBER_FLOAT"),
        hostile(
            "size beyond 64 bits",
            header("F32", "[99999999999999999999]", "[0,8]", 8),
            "not valid JSON"),
        hostile("sizes overflow", header("F32", "[4294967296,4294967296]", "[0,8]", 8), "overflow"),
        hostile("bytes overflow", header("F32", "[4611686018427387904]", "[0,8]", 8), "overflow"),
        hostile(
            "too many sizes",
            header("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,8]", 8),
            "at most 16"),
        hostile(
            "truncated data",
            header("F32", "[2]", "[0,8]", 4),
            "data_offsets",
            "within 4 bytes",
            "[0, 8]"),
        hostile("end before begin", header("F32", "[2]", "[8,0]", 8), "data_offsets", "[8, 0]"),
        hostile("begin below zero", header("F32", "[2]", "[-8,0]", 8), "data_offsets", "[-8, 0]"),
        hostile("one offset", header("F32", "[2]", "[0]", 8), "data_offsets", "[0]"),
        hostile(
            "too few bytes",
            header("F32", "[3]", "[0,8]", 8),
            "tensor a at byte",
            "expected 12 bytes for F32[3]",
            "found 8 bytes"),
        hostile("half bytes", header("F4", "[3]", "[0,2]", 2), "whole blocks of 2"),
        hostile(
            "trailing data", header("F32", "[2]", "[0,8]", 9), "expected 8 bytes", "found 9 bytes"),
        hostile("a gap", header("F32", "[2]", "[4,12]", 12), "expected 8 bytes", "found 12 bytes"),
        hostile(
            "overlap",
            safetensors(
                "{\"a\":" + ok
                    + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
                12),
            "tensor b at byte",
            "overlaps tensor a"),
        hostile(
            "metadata is not text",
            safetensors("{\"__metadata__\":{\"k\":1}}", 0),
            "__metadata__ field k"),
        hostile(
            "bad UTF-8",
            new HostileFiles()
                .u64(4)
                .raw("{\"".getBytes(StandardCharsets.UTF_8))
                .raw((byte) 0xff, (byte) 0xff)
                .bytes(),
            "not valid JSON"));
  }

  private static byte[] header(String dtype, String shape, String offsets, int data) {
    return safetensors(
        "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets
            + "}}",
        data);
  }

  private static byte[] header2(String dtype) {
    return safetensors("{\"a\":{\"dtype\":" + dtype + ",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
  }

  private static Arguments hostile(String name, byte[] content, String... parts) {
    return Arguments.of(name, content, List.of(parts));
  }

  static WeightTensor tensor(TensorFile file, String name) {
    WeightTensor t = file.tensors().get(name);
    if (t == null) {
      throw new AssertionError("no tensor " + name + " in " + file.tensors().keySet());
    }
    return t;
  }
}
