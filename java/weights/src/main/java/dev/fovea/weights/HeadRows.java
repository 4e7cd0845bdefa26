package dev.fovea.weights;

import dev.fovea.error.FileException;
import java.lang.foreign.MemorySegment;

/**
 * The two orders of the rows of a query or key projection. Hugging Face rotates element j of a head of width d with element j + d/2;
 * llama.cpp stores the rows so that it can rotate 2j with 2j + 1, and its files hold row j at 2j and row j + d/2 at 2j + 1 of the same
 * head. Rows move whole, so the element type does not matter.
 */
public final class HeadRows {

  private HeadRows() {}

  /** Where the i-th row of a GGUF file lies in Hugging Face's order, for heads of {@code width} rows. */
  public static long toHalves(long i, long width) {
    long j = i % width;
    return i - j + j / 2 + (j % 2) * (width / 2);
  }

  /** Where the i-th row in Hugging Face's order lies in a GGUF file. */
  public static long toPairs(long i, long width) {
    long j = i % width;
    return i - j + (j < width / 2 ? 2 * j : 2 * (j - width / 2) + 1);
  }

  /**
   * Copies a tensor from GGUF's order to Hugging Face's.
   *
   * @param to as many bytes as the tensor has
   */
  public static void copyToHalves(WeightTensor tensor, int heads, MemorySegment to) {
    long rows = tensor.rows();
    if (heads < 1 || rows % heads != 0 || rows / heads % 2 != 0) {
      throw FileException.mismatch(
          tensor.file(),
          tensor.where(),
          "rows for " + heads + " heads of even width",
          rows + " rows");
    }
    MemorySegment from = tensor.data();
    long bytes = tensor.rowBytes();
    for (long i = 0; i < rows; i++) {
      MemorySegment.copy(from, i * bytes, to, toHalves(i, rows / heads) * bytes, bytes);
    }
  }
}
