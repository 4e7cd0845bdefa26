package dev.fovea.reference;

import dev.fovea.backend.Buffer;
import dev.fovea.error.InputException;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;

/** A tensor as doubles that are all exact in the tensor's type. */
final class ReferenceBuffer implements Buffer {
  private final TensorType type;
  final double[] values;

  ReferenceBuffer(TensorType type) {
    this.type = type;
    this.values = new double[Math.toIntExact(type.shape().elements())];
  }

  @Override
  public TensorType type() {
    return type;
  }

  @Override
  public void upload(MemorySegment from, long offset) {
    int first = elements(offset);
    int n = elements(from.byteSize());
    if (first + n > values.length) {
      throw new InputException(
          "upload of " + from.byteSize() + " bytes at " + offset + " into " + type);
    }
    for (int i = 0; i < n; i++) {
      values[first + i] = Blocks.get(type.dtype(), from, i);
    }
  }

  @Override
  public void download(MemorySegment to, long offset) {
    Blocks.set(type.dtype(), to, values, elements(offset), elements(to.byteSize()));
  }

  @Override
  public void copy(long from, long to, long bytes) {
    System.arraycopy(values, elements(from), values, elements(to), elements(bytes));
  }

  private int elements(long bytes) {
    DType t = type.dtype();
    if (bytes % t.blockBytes() != 0) {
      throw new InputException(bytes + " bytes are not whole blocks of " + t.label());
    }
    return Math.toIntExact(bytes / t.blockBytes() * t.blockSize());
  }

  @Override
  public void close() {}
}
