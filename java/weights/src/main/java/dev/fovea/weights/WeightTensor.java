package dev.fovea.weights;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/**
 * A named tensor of a weight file: where it lies and a read-only view of its bytes, which stay in the file until touched.
 *
 * @param name as the file spells it
 * @param type how the elements are stored
 * @param dims sizes, row-major, slowest first: a linear map is [outputs, inputs] (GGUF's order reversed)
 * @param file where it was found
 * @param offset of its first byte in that file
 * @param data its bytes, valid until the {@link Checkpoint} that mapped them is closed
 */
public record WeightTensor(
    String name, StoredType type, List<Long> dims, Path file, long offset, MemorySegment data) {

  public WeightTensor {
    dims = List.copyOf(dims);
  }

  /**
   * The bytes, read-only.
   *
   * @throws InputException once the checkpoint is closed
   */
  @Override
  public MemorySegment data() {
    if (!data.scope().isAlive()) {
      throw new InputException("tensor " + name + " was used after " + file + " was closed");
    }
    return data;
  }

  /**
   * The engine's element type.
   *
   * @throws FileException if the engine has no such element type; the tensor can then only be listed
   */
  public DType dtype() {
    DType dtype = type.dtype();
    if (dtype == null) {
      throw FileException.mismatch(
          file,
          where() + " has an element type that is not supported",
          "F32, F16, BF16, Q8_0, Q4_0 or I32",
          type);
    }
    return dtype;
  }

  /** Bytes it takes in the file. */
  public long bytes() {
    return data.byteSize();
  }

  public long elements() {
    return elements(dims);
  }

  /** Elements of the fastest axis; 1 for a scalar. */
  public long rowElements() {
    return dims.isEmpty() ? 1 : dims.getLast();
  }

  /** Rows of the fastest axis, whatever the other axes are. */
  public long rows() {
    return rowElements() == 0 ? 0 : elements() / rowElements();
  }

  /** Bytes of one row of the fastest axis. */
  public long rowBytes() {
    return rows() == 0 ? 0 : bytes() / rows();
  }

  /** The same bytes under named axes; sizes must multiply to the same count and rows must stay whole blocks. */
  public Tensor tensor(Shape shape) {
    if (shape.elements() != elements()) {
      throw FileException.mismatch(file, where() + " has other sizes", shape, dims);
    }
    return new Tensor(new TensorType(dtype(), shape), data());
  }

  /** What an error message says to find it again. */
  public String where() {
    return "tensor " + name + " at byte " + offset;
  }

  static long elements(List<Long> dims) {
    long n = 1;
    for (long d : dims) {
      n *= d;
    }
    return n;
  }
}
