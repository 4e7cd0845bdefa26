package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.error.FileException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever the bytes are, a reader either lists tensors that lie inside the file or throws a {@link FileException}. */
class ReaderFuzzTest {

  /** One test for both readers, since Jazzer fuzzes no more than one in a run. */
  @MethodSource
  @FuzzTest(maxDuration = "10s")
  void anyBytes(byte[] bytes) {
    try {
      safetensors(bytes);
    } catch (FileException expected) {
      // What a damaged file is answered with.
    }
    try {
      gguf(bytes);
    } catch (FileException expected) {
      // What a damaged file is answered with.
    }
  }

  static Stream<byte[]> anyBytes() {
    return Stream.concat(
        MutatedFilesTest.safetensorsSeeds().stream(), MutatedFilesTest.ggufSeeds().stream());
  }

  static void safetensors(byte[] bytes) {
    check(
        SafetensorsFile.parse(
            Path.of("fuzz.safetensors"), MemorySegment.ofArray(bytes).asReadOnly()),
        bytes.length);
  }

  static void gguf(byte[] bytes) {
    check(
        GgufFile.parse(Path.of("fuzz.gguf"), MemorySegment.ofArray(bytes).asReadOnly()),
        bytes.length);
  }

  private static void check(TensorFile file, long size) {
    for (WeightTensor t : file.tensors().values()) {
      if (t.offset() < 0 || t.bytes() < 0 || t.offset() + t.bytes() > size) {
        throw new AssertionError(t.where() + " of " + t.bytes() + " bytes in a file of " + size);
      }
      if (t.bytes() > 0) {
        t.data().get(JAVA_BYTE, t.bytes() - 1);
      }
    }
  }
}
