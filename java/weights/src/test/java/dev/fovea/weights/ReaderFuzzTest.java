package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.error.FileException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Whatever the bytes are, a reader either lists tensors that lie inside the file or throws a {@link FileException}. */
class ReaderFuzzTest {

  @FuzzTest(maxDuration = "5s")
  void safetensors(byte[] bytes) {
    try {
      check(SafetensorsFile.parse(Path.of("fuzz.safetensors"), segment(bytes)), bytes.length);
    } catch (FileException expected) {
      // What a damaged file is answered with.
    }
  }

  @FuzzTest(maxDuration = "5s")
  void gguf(byte[] bytes) {
    try {
      check(GgufFile.parse(Path.of("fuzz.gguf"), segment(bytes)), bytes.length);
    } catch (FileException expected) {
      // What a damaged file is answered with.
    }
  }

  private static MemorySegment segment(byte[] bytes) {
    MemorySegment copy =
        Arena.ofAuto().allocate(Math.max(1, bytes.length), 8).asSlice(0, bytes.length);
    MemorySegment.copy(bytes, 0, copy, JAVA_BYTE, 0, bytes.length);
    return copy.asReadOnly();
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
