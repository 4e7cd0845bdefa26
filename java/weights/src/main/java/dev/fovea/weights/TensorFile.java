package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.fovea.error.FileException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/**
 * One weight file, mapped: nothing but its header has been read. Every size and offset in it was checked against the length of the
 * file when it was opened; a file that another program shortens afterwards is outside that promise.
 */
public sealed interface TensorFile permits SafetensorsFile, GgufFile {
  /** A header that declares more is refused: the largest known models have a few thousand. */
  int MAX_TENSORS = 1 << 17;

  Path path();

  /** By name, in the order of the file's header. */
  Map<String, WeightTensor> tensors();

  /**
   * Opens GGUF by its magic, anything else as safetensors.
   *
   * @param arena owns the mapping; closing it ends the use of every tensor
   * @throws FileException for a file that is missing, truncated or does not hold together; the message names the place
   */
  static TensorFile open(Path path, Arena arena) {
    MemorySegment bytes = map(path, arena);
    boolean gguf = bytes.byteSize() >= 4
        && bytes.get(JAVA_BYTE, 0) == 'G'
        && bytes.get(JAVA_BYTE, 1) == 'G'
        && bytes.get(JAVA_BYTE, 2) == 'U'
        && bytes.get(JAVA_BYTE, 3) == 'F';
    return gguf ? GgufFile.parse(path, bytes) : SafetensorsFile.parse(path, bytes);
  }

  /** Maps a whole file read-only. */
  private static MemorySegment map(Path path, Arena arena) {
    if (Files.isDirectory(path)) {
      throw new FileException(path, "is a directory, expected a .safetensors or .gguf file");
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(MapMode.READ_ONLY, 0, channel.size(), arena).asReadOnly();
    } catch (NoSuchFileException e) {
      throw new FileException(path, "no such file", e);
    } catch (IOException | UnsupportedOperationException e) {
      throw new FileException(path, "cannot be mapped: " + e.getMessage(), e);
    }
  }
}
