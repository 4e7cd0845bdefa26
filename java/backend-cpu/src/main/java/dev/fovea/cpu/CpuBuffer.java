package dev.fovea.cpu;

import dev.fovea.backend.Buffer;
import dev.fovea.error.InputException;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Host memory: owned, or somebody else's that stays where it is (a mapped file). */
final class CpuBuffer implements Buffer {
  private final TensorType type;
  private final MemorySegment data;
  private final @Nullable Arena own;

  /** Zeroed memory of its own. */
  CpuBuffer(TensorType type) {
    this.type = type;
    this.own = Arena.ofShared();
    this.data = Library.allocate(type.bytes(), own);
  }

  /** Somebody else's memory. */
  CpuBuffer(TensorType type, MemorySegment data) {
    if (data.byteSize() != type.bytes()) {
      throw new InputException(
          type + " takes " + type.bytes() + " bytes, the memory given has " + data.byteSize());
    }
    this.type = type;
    this.data = data;
    this.own = null;
  }

  MemorySegment data() {
    return data;
  }

  @Override
  public TensorType type() {
    return type;
  }

  @Override
  public void upload(MemorySegment from, long offset) {
    MemorySegment.copy(from, 0, data, offset, from.byteSize());
  }

  @Override
  public void download(MemorySegment to, long offset) {
    MemorySegment.copy(data, offset, to, 0, to.byteSize());
  }

  @Override
  public void copy(long from, long to, long bytes) {
    MemorySegment.copy(data, from, data, to, bytes);
  }

  @Override
  public void close() {
    if (own != null && own.scope().isAlive()) {
      own.close();
    }
  }
}
