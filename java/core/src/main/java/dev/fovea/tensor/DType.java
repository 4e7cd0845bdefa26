package dev.fovea.tensor;

import dev.fovea.error.InputException;
import java.util.Locale;

/**
 * An element type: how many elements make a block, and how many bytes a block takes. The codes are shared with the native ABI
 * ({@code native/include/fovea/fovea.h}); the block layouts are written down once in {@code kernels/common/blocks.h}.
 */
public enum DType {
  /** IEEE 754 binary32. */
  F32(0, 1, 4),
  /** IEEE 754 binary16. */
  F16(1, 1, 2),
  /** The upper half of a binary32. */
  BF16(2, 1, 2),
  /** 32 weights: one binary16 scale d, then 32 signed bytes q; w = d·q (ggml's Q8_0). */
  Q8_0(3, 32, 34),
  /** 32 weights: one binary16 scale d, then 16 bytes; byte j holds q[j] low, q[j+16] high; w = d·(q−8) (ggml's Q4_0). */
  Q4_0(4, 32, 18),
  /** Signed 32-bit: token ids, positions, page numbers. */
  I32(5, 1, 4),
  /** Unsigned bytes: a picture as it was decoded. */
  U8(6, 1, 1),
  /**
   * 128 weights: one binary16 scale d, one 16-bit zero point z of 0 to 15, then 64 bytes, each 16 of them 32 weights in the order of
   * Q4_0; w = d·(q−z). What AWQ and GPTQ checkpoints hold; z = 8 where they have no zero points.
   */
  Q4_G128(7, 128, 68);

  private final int code;
  private final int blockSize;
  private final int blockBytes;

  DType(int code, int blockSize, int blockBytes) {
    this.code = code;
    this.blockSize = blockSize;
    this.blockBytes = blockBytes;
  }

  /** The number that stands for this type in the native ABI. */
  public int code() {
    return code;
  }

  /** Elements in one block. */
  public int blockSize() {
    return blockSize;
  }

  /** Bytes of one block. */
  public int blockBytes() {
    return blockBytes;
  }

  /** Bytes at the front of a quantized block, before its weights: the scale, and the zero point where there is one. */
  public int scaleBytes() {
    return switch (this) {
      case Q8_0, Q4_0 -> 2;
      case Q4_G128 -> 4;
      case F32, F16, BF16, I32, U8 -> 0;
    };
  }

  public boolean isQuantized() {
    return blockSize > 1;
  }

  /** Whether these are whole numbers, which no weights are stored as. */
  public boolean isWhole() {
    return this == I32 || this == U8;
  }

  /** Bytes that {@code elements} take; a whole number of blocks is required. */
  public long bytes(long elements) {
    if (elements % blockSize != 0) {
      throw new InputException(
          this + " stores blocks of " + blockSize + ": " + elements + " elements do not divide");
    }
    return elements / blockSize * blockBytes;
  }

  /** The type as users write it: {@code f32}, {@code q4_0}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  public static DType parse(String label) {
    for (DType t : values()) {
      if (t.label().equals(label)) {
        return t;
      }
    }
    throw new InputException("unknown element type '" + label
        + "': expected one of f32, f16, bf16, q8_0, q4_0, q4_g128, i32, u8");
  }
}
