package dev.fovea.backend;

import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;

/** Memory on a device. Closed by whoever asked for it, or with its device. */
public interface Buffer extends AutoCloseable {

  TensorType type();

  /** Copies into the buffer, from its start or at a byte offset (a whole number of blocks). */
  void upload(MemorySegment from, long offset);

  /** Copies out of the buffer: as many bytes as {@code to} has. */
  void download(MemorySegment to, long offset);

  /** Copies within the buffer; the ranges must not overlap. */
  void copy(long from, long to, long bytes);

  @Override
  void close();
}
