package dev.fovea.cuda;

import dev.fovea.backend.Buffer;
import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;

/**
 * Memory of the device. Quantized blocks lie apart there: first all quants, then all scales (and with them zero points), so that both can be read in aligned pieces;
 * who uploads and downloads sees them as they are in files.
 */
final class CudaBuffer implements Buffer {
  private final CudaDevice device;
  private final TensorType type;
  private final Driver.Place place;
  private boolean closed;

  /** Memory whose contents are undefined. */
  CudaBuffer(CudaDevice device, TensorType type) {
    this.device = device;
    this.type = type;
    this.place = device.driver().allocate(Math.max(type.bytes(), 4));
  }

  Driver.Place place() {
    if (closed) {
      throw new InputException("a buffer of " + type + " that is closed");
    }
    return place;
  }

  @Override
  public TensorType type() {
    return type;
  }

  private Driver.Place at(long offset, long bytes) {
    if (offset < 0 || bytes < 0 || offset > type.bytes() - bytes) {
      throw new InputException("bytes " + offset + " to " + (offset + bytes) + " of " + type
          + ", which has " + type.bytes());
    }
    return offset == 0 ? place() : device.driver().at(place(), offset);
  }

  /** The block at a byte offset among blocks as stored. */
  private long block(long offset, long bytes) {
    long size = type.dtype().blockBytes();
    if (offset % size != 0 || bytes % size != 0) {
      throw new InputException(
          "bytes " + offset + " to " + (offset + bytes) + " of " + type + " are not whole blocks");
    }
    at(offset, bytes); // within the buffer
    return offset / size;
  }

  private Driver.Place quants(long block) {
    return device
        .driver()
        .at(place(), block * (type.dtype().blockBytes() - type.dtype().scaleBytes()));
  }

  private Driver.Place scales(long block) {
    DType dtype = type.dtype();
    long blocks = type.bytes() / dtype.blockBytes();
    return device
        .driver()
        .at(
            place(),
            blocks * (dtype.blockBytes() - dtype.scaleBytes()) + block * dtype.scaleBytes());
  }

  @Override
  public void upload(MemorySegment from, long offset) {
    if (type.dtype().isQuantized()) {
      long block = block(offset, from.byteSize());
      device.split(type.dtype(), from, quants(block), scales(block));
    } else {
      device.send(at(offset, from.byteSize()), from);
    }
  }

  @Override
  public void download(MemorySegment to, long offset) {
    if (type.dtype().isQuantized()) {
      long block = block(offset, to.byteSize());
      device.join(type.dtype(), quants(block), scales(block), to);
    } else {
      device.fetch(at(offset, to.byteSize()), to);
    }
  }

  @Override
  public void copy(long from, long to, long bytes) {
    if (type.dtype().isQuantized()) {
      long source = block(from, bytes);
      long target = block(to, bytes);
      long blocks = bytes / type.dtype().blockBytes();
      device.driver().within(quants(target), quants(source), bytes - 2 * blocks);
      device.driver().within(scales(target), scales(source), 2 * blocks);
    } else {
      device.driver().within(at(to, bytes), at(from, bytes), bytes);
    }
  }

  @Override
  public void close() {
    if (!closed) {
      device.driver().free(place);
      closed = true;
      device.forget(this);
    }
  }
}
