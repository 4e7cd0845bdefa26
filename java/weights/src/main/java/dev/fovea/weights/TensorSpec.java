package dev.fovea.weights;

import dev.fovea.tensor.DType;
import java.util.List;

/**
 * A tensor that is going to be written.
 *
 * @param name as the file will spell it
 * @param dims sizes, row-major, slowest first; the fastest is a whole number of blocks
 */
public record TensorSpec(String name, DType dtype, List<Long> dims) {

  public TensorSpec {
    dims = List.copyOf(dims);
  }

  /** Bytes of one row of the fastest axis. */
  public long rowBytes() {
    return dtype.bytes(rowElements());
  }

  public long rowElements() {
    return dims.isEmpty() ? 1 : dims.getLast();
  }

  public long rows() {
    return rowElements() == 0 ? 0 : WeightTensor.elements(dims) / rowElements();
  }

  public long bytes() {
    return rows() * rowBytes();
  }
}
