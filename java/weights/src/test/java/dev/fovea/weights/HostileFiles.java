package dev.fovea.weights;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.FoveaException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.function.Executable;

/** Builds damaged files byte by byte and checks how they are refused. */
final class HostileFiles {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  /** A safetensors file with any header over {@code data} zero bytes. */
  static byte[] safetensors(String header, int data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return new HostileFiles().u64(json.length).raw(json).raw(new byte[data]).bytes();
  }

  /** The start of a GGUF file. */
  static HostileFiles gguf(int version, long tensors, long pairs) {
    return new HostileFiles()
        .raw("GGUF".getBytes(StandardCharsets.US_ASCII))
        .u32(version)
        .u64(tensors)
        .u64(pairs);
  }

  HostileFiles u32(long value) {
    return raw(ByteBuffer.allocate(4)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt((int) value)
        .array());
  }

  HostileFiles u64(long value) {
    return raw(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }

  HostileFiles text(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    return u64(utf8.length).raw(utf8);
  }

  HostileFiles raw(byte... more) {
    bytes.writeBytes(more);
    return this;
  }

  /** A GGUF tensor's header; sizes fastest first. */
  HostileFiles tensor(String name, int type, long offset, long... ne) {
    text(name).u32(ne.length);
    for (long n : ne) {
      u64(n);
    }
    return u32(type).u64(offset);
  }

  /** Zeros up to a multiple of 32, then {@code n} more. */
  HostileFiles data(int n) {
    return raw(new byte[(32 - bytes.size() % 32) % 32 + n]);
  }

  byte[] bytes() {
    return bytes.toByteArray();
  }

  static Path write(Path folder, String name, byte[] content) {
    try {
      return Files.write(folder.resolve(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The message of what this throws. */
  static String refusal(Class<? extends FoveaException> type, Executable call) {
    return String.valueOf(assertThrows(type, call).getMessage());
  }

  /** Asserts that opening refuses the file in one line that names it and holds each of these parts. */
  static void assertRefused(Path file, String... parts) {
    try (Arena arena = Arena.ofConfined()) {
      String message = refusal(FileException.class, () -> TensorFile.open(file, arena));
      assertTrue(message.startsWith(file + ": "), message);
      assertTrue(message.lines().count() == 1, message);
      for (String part : parts) {
        assertTrue(message.contains(part), "expected '" + part + "' in: " + message);
      }
    }
  }
}
