package dev.fovea.weights;

import dev.fovea.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How a file says its elements are stored. Every type a format knows can be listed; those that kernels read also have a
 * {@link DType}.
 *
 * @param label as the format spells it: {@code BF16}, {@code Q6_K}, {@code I64}
 * @param blockSize elements in one block
 * @param blockBytes bytes of one block
 * @param dtype what it is to the engine, or null where it can only be listed
 */
public record StoredType(
    String label, int blockSize, int blockBytes, @Nullable DType dtype) {

  static StoredType of(DType dtype) {
    return new StoredType(dtype.name(), dtype.blockSize(), dtype.blockBytes(), dtype);
  }

  @Override
  public String toString() {
    return label;
  }
}
