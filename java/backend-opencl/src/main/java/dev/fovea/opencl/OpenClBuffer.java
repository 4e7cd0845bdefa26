package dev.fovea.opencl;

import dev.fovea.backend.Buffer;
import dev.fovea.error.InputException;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;

/** Memory of the device, or the host's that is used where it lies. */
final class OpenClBuffer implements Buffer {
  private final OpenClDevice device;
  private final TensorType type;
  private final long handle;
  private boolean closed;

  /** Takes over the handle. */
  OpenClBuffer(OpenClDevice device, TensorType type, long handle) {
    this.device = device;
    this.type = type;
    this.handle = handle;
  }

  long handle() {
    if (closed) {
      throw new InputException("a buffer of " + type + " that is closed");
    }
    return handle;
  }

  @Override
  public TensorType type() {
    return type;
  }

  private void check(long offset, long bytes) {
    if (offset < 0 || bytes < 0 || offset > type.bytes() - bytes) {
      throw new InputException("bytes " + offset + " to " + (offset + bytes) + " of " + type
          + ", which has " + type.bytes());
    }
  }

  @Override
  public void upload(MemorySegment from, long offset) {
    check(offset, from.byteSize());
    device.send(handle(), offset, from);
  }

  @Override
  public void download(MemorySegment to, long offset) {
    check(offset, to.byteSize());
    device.fetch(handle(), offset, to);
    device.judge();
  }

  @Override
  public void copy(long from, long to, long bytes) {
    check(from, bytes);
    check(to, bytes);
    if (bytes == 0) {
      return;
    }
    Cl.copy(device.queue(), handle(), handle(), from, to, bytes);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      device.free(handle, type.bytes());
      device.forget(this);
    }
  }
}
