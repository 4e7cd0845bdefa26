package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.assertRefused;
import static dev.fovea.weights.HostileFiles.gguf;
import static dev.fovea.weights.HostileFiles.refusal;
import static dev.fovea.weights.HostileFiles.write;
import static dev.fovea.weights.SafetensorsFileTest.tensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.weights.GgufValue.Kind;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GgufFileTest {
  @TempDir
  Path folder;

  @Test
  void everyKindOfMetadataSurvivesWritingAndReading() {
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    metadata.put("u8", new GgufValue.Int(Kind.U8, 255));
    metadata.put("i8", new GgufValue.Int(Kind.I8, -128));
    metadata.put("u16", new GgufValue.Int(Kind.U16, 65535));
    metadata.put("i16", new GgufValue.Int(Kind.I16, -32768));
    metadata.put("u32", GgufValue.u32(4294967295L));
    metadata.put("i32", new GgufValue.Int(Kind.I32, Integer.MIN_VALUE));
    metadata.put("u64", new GgufValue.Int(Kind.U64, -1));
    metadata.put("i64", new GgufValue.Int(Kind.I64, Long.MIN_VALUE));
    metadata.put("f32", GgufValue.f32(1e-5f));
    metadata.put("f64", new GgufValue.Real(Kind.F64, Math.PI));
    metadata.put("yes", GgufValue.of(true));
    metadata.put("text", GgufValue.of("▁häuser"));
    metadata.put("texts", GgufValue.texts(List.of("", "<s>", "▁")));
    metadata.put("reals", GgufValue.f32s(List.of(0.5f, -2f)));
    metadata.put("ints", GgufValue.i32s(List.of(1, -2)));
    metadata.put("none", new GgufValue.Array(Kind.BOOL, List.of()));
    Path path = folder.resolve("m.gguf");
    try (TensorWriter writer = TensorWriter.gguf(path, metadata, List.of())) {
      writer.finish();
    }
    try (Arena arena = Arena.ofConfined()) {
      GgufFile file = (GgufFile) TensorFile.open(path, arena);
      assertEquals(metadata, file.metadata());
      assertEquals(4294967295L, file.integer("u32"));
      assertEquals(1e-5f, file.real("f32"));
      assertEquals("▁häuser", file.text("text"));
      assertNull(file.text("absent"));
      assertFalse(file.has("absent"));
      assertTrue(file.bool("yes"));
      assertEquals(List.of("", "<s>", "▁"), file.texts("texts"));
      assertEquals(List.of(0.5, -2.0), file.reals("reals"));
      assertMessage(() -> file.integer("absent"), "metadata absent is missing");
      assertMessage(
          () -> file.integer("text"), "metadata text: expected a whole number, found TEXT");
      assertMessage(
          () -> file.texts("ints"), "metadata ints: expected an array of text, found I32");
      assertMessage(() -> file.reals("text"), "metadata text: expected an array, found TEXT");
      assertMessage(() -> file.bool("u8"), "metadata u8: expected true or false, found U8");
      assertMessage(() -> file.real("yes"), "metadata yes: expected a number, found BOOL");
      assertMessage(() -> file.text("yes"), "metadata yes: expected text, found BOOL");
    }
  }

  private static void assertMessage(Runnable call, String part) {
    String message = refusal(FileException.class, call::run);
    assertTrue(message.contains(part), message);
  }

  @Test
  void version2AndOtherAlignmentsAreRead() {
    byte[] bytes = gguf(2, 2, 1)
        .text("general.alignment")
        .u32(4)
        .u32(64)
        .tensor("a", 0, 64, 3, 2)
        .tensor("b", 14, 128, 256)
        .data(0)
        .raw(new byte[400])
        .bytes();
    try (Arena arena = Arena.ofConfined()) {
      TensorFile file = TensorFile.open(write(folder, "m.gguf", bytes), arena);
      WeightTensor a = tensor(file, "a");
      assertEquals(List.of(2L, 3L), a.dims());
      assertEquals(0, a.offset() % 64);
      assertEquals(DType.F32, a.dtype());
      WeightTensor b = tensor(file, "b");
      assertEquals(210, b.bytes());
      assertEquals("Q6_K", b.type().label());
      String message = refusal(FileException.class, b::dtype);
      assertTrue(message.contains("tensor b at byte") && message.contains("found Q6_K"), message);
    }
  }

  @Test
  void typesOfTheEngineHaveTheEnginesBlocks() {
    assertThrows(InputException.class, () -> GgmlType.of(DType.U8));
    assertThrows(InputException.class, () -> GgmlType.of(DType.Q4_G128));
    for (DType dtype : EnumSet.complementOf(EnumSet.of(DType.U8, DType.Q4_G128))) {
      StoredType stored = GgmlType.of(dtype).stored();
      assertEquals(dtype, stored.dtype());
      assertEquals(dtype.blockSize(), stored.blockSize());
      assertEquals(dtype.blockBytes(), stored.blockBytes());
    }
    assertTrue(refusal(InputException.class, () -> GgmlType.of(DType.Q4_G128)).contains("q4_g128"));
  }

  @Test
  void gigabytesAreNotTouched() throws IOException {
    long rows = 3L << 20; // of 4096 q4_0 weights: 6.75 GiB
    byte[] head = gguf(3, 1, 0).tensor("big", 2, 0, 4096, rows).data(0).bytes();
    Path path = write(folder, "big.gguf", head);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(head.length + rows * 4096 / 32 * 18);
    }
    long start = System.nanoTime();
    try (Arena arena = Arena.ofConfined()) {
      WeightTensor big = tensor(TensorFile.open(path, arena), "big");
      long took = System.nanoTime() - start;
      assertEquals(7_247_757_312L, big.bytes());
      assertEquals(rows, big.rows());
      assertTrue(took < 1_000_000_000L, "opening took " + took / 1_000_000 + " ms");
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void hostileFilesAreRefused(String name, byte[] content, List<String> parts) throws IOException {
    Path file = Files.write(folder.resolve("x.gguf"), content);
    assertRefused(file, parts.toArray(String[]::new));
  }

  static Stream<Arguments> hostileFilesAreRefused() {
    return Stream.of(
        hostile("only the magic", "GGUF".getBytes(StandardCharsets.US_ASCII), "version at byte 4"),
        hostile("version 1", gguf(1, 0, 0).bytes(), "version at byte 4: expected 2 or 3, found 1"),
        hostile("version 4", gguf(4, 0, 0).bytes(), "found 4"),
        hostile("big-endian", gguf(0x03000000, 0, 0).bytes(), "big-endian"),
        hostile("no counts", gguf(3, 0, 0).bytes(), 20, "metadata count at byte 16"),
        hostile(
            "2^63 tensors",
            gguf(3, Long.MIN_VALUE, 0).bytes(),
            "tensor count at byte 8",
            "9223372036854775808"),
        hostile(
            "more tensors than bytes",
            gguf(3, 100, 0).bytes(),
            "tensor count at byte 8",
            "found 100"),
        hostile(
            "more pairs than bytes",
            gguf(3, 0, 60000).bytes(),
            "metadata count at byte 16",
            "found 60000"),
        hostile(
            "key beyond the file",
            gguf(3, 0, 1).u64(1L << 40).data(64).bytes(),
            "metadata key 0",
            "1099511627776 bytes"),
        hostile(
            "key of 2^64-1 bytes",
            gguf(3, 0, 1).u64(-1).data(64).bytes(),
            "18446744073709551615 bytes"),
        hostile(
            "key is not UTF-8",
            gguf(3, 0, 1).u64(2).raw((byte) 0xff, (byte) 0xfe).data(64).bytes(),
            "is not UTF-8"),
        hostile(
            "key of 70000 bytes",
            gguf(3, 0, 1).text("k".repeat(70000)).data(64).bytes(),
            "at most 65535 bytes"),
        hostile(
            "unknown kind",
            gguf(3, 0, 1).text("k").u32(13).data(64).bytes(),
            "metadata k: type at byte 33",
            "found 13"),
        hostile(
            "boolean of 2",
            gguf(3, 0, 1).text("k").u32(7).raw((byte) 2).data(64).bytes(),
            "0 or 1 for a boolean"),
        hostile(
            "truncated value",
            gguf(3, 0, 1).text("k").u32(10).raw(new byte[7]).bytes(),
            "metadata k",
            "7 left"),
        hostile(
            "text beyond the file",
            gguf(3, 0, 1).text("k").u32(8).u64(100).raw(new byte[9]).bytes(),
            "100 bytes",
            "9 left"),
        hostile(
            "array beyond the file",
            gguf(3, 0, 1).text("k").u32(9).u32(5).u64(1L << 33).data(64).bytes(),
            "array length at byte 41",
            "found 8589934592"),
        hostile(
            "array of arrays",
            gguf(3, 0, 1).text("k").u32(9).u32(9).u64(1).data(64).bytes(),
            "array of arrays"),
        hostile(
            "key twice",
            gguf(3, 0, 2)
                .text("k")
                .u32(0)
                .raw((byte) 1)
                .text("k")
                .u32(0)
                .raw((byte) 1)
                .bytes(),
            "metadata k is given twice"),
        hostile("alignment 0", aligned(4, 0), "general.alignment", "power of two"),
        hostile("alignment 48", aligned(4, 48), "general.alignment", "48"),
        hostile("alignment 2^31", aligned(4, 1L << 31), "general.alignment", "2147483648"),
        hostile("alignment is signed", aligned(5, 32), "general.alignment", "I32"),
        hostile(
            "no sizes",
            gguf(3, 1, 0).tensor("a", 0, 0).data(64).bytes(),
            "tensor a: dimensions at byte",
            "found 0"),
        hostile(
            "five sizes",
            gguf(3, 1, 0).tensor("a", 0, 0, 1, 1, 1, 1, 1).data(64).bytes(),
            "1 to 4, found 5"),
        hostile(
            "size 0",
            gguf(3, 1, 0).tensor("a", 0, 0, 0).data(64).bytes(),
            "tensor a: size 0",
            "found 0"),
        hostile(
            "size of 2^64-1",
            gguf(3, 1, 0).tensor("a", 0, 0, -1).data(64).bytes(),
            "18446744073709551615"),
        hostile(
            "sizes overflow",
            gguf(3, 1, 0).tensor("a", 0, 0, 1L << 32, 1L << 32).data(64).bytes(),
            "overflow"),
        hostile(
            "unknown type",
            gguf(3, 1, 0).tensor("a", 4, 0, 32).data(64).bytes(),
            "tensor a: type at byte",
            "found 4"),
        hostile(
            "part of a block",
            gguf(3, 1, 0).tensor("a", 2, 0, 33).data(64).bytes(),
            "whole blocks of 32"),
        hostile(
            "odd offset",
            gguf(3, 1, 0).tensor("a", 0, 4, 1).data(64).bytes(),
            "a multiple of 32",
            "found 4"),
        hostile(
            "offset of 2^63",
            gguf(3, 1, 0).tensor("a", 0, Long.MIN_VALUE, 1).data(64).bytes(),
            "9223372036854775808"),
        hostile(
            "offset behind the end",
            gguf(3, 1, 0).tensor("a", 0, 64, 1).data(64).bytes(),
            "4 bytes at offset 64",
            "64 bytes of data"),
        hostile(
            "truncated data",
            gguf(3, 1, 0).tensor("a", 0, 0, 32).data(64).bytes(),
            "128 bytes at offset 0",
            "64 bytes of data"),
        hostile(
            "no data at all",
            gguf(3, 1, 0).tensor("a", 0, 0, 1).bytes(),
            "4 bytes at offset 0",
            "0 bytes of data"),
        hostile(
            "overlap",
            gguf(3, 2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 32, 16).data(96).bytes(),
            "tensor b",
            "overlaps tensor a"),
        hostile(
            "same place",
            gguf(3, 2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 0, 16).data(96).bytes(),
            "overlaps"),
        hostile(
            "twice",
            gguf(3, 2, 0).tensor("a", 0, 0, 8).tensor("a", 0, 32, 8).data(64).bytes(),
            "tensor a is listed twice"));
  }

  private static byte[] aligned(int kind, long alignment) {
    return gguf(3, 0, 1).text("general.alignment").u32(kind).u32(alignment).bytes();
  }

  private static Arguments hostile(String name, byte[] content, String... parts) {
    return Arguments.of(name, content, List.of(parts));
  }

  private static Arguments hostile(String name, byte[] content, int cut, String... parts) {
    return Arguments.of(name, Arrays.copyOf(content, cut), List.of(parts));
  }
}
