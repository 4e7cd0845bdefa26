package dev.fovea.weights.convert;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Decodes runs of elements to float; {@link dev.fovea.tensor.Blocks} is the definition, this is the fast loop. */
final class Rows {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Rows() {}

  /** Decodes {@code n} elements, whole blocks, that start at byte {@code at}. */
  static void decode(DType dtype, MemorySegment from, long at, float[] to, int n) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(from, FLOAT, at, to, 0, n);
      case F16 -> {
        for (int i = 0; i < n; i++) {
          to[i] = Float.float16ToFloat(from.get(SHORT, at + 2L * i));
        }
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          to[i] = Float.intBitsToFloat(from.get(SHORT, at + 2L * i) << 16);
        }
      }
      case Q8_0 -> {
        for (int b = 0; b < n / 32; b++) {
          long block = at + b * 34L;
          float d = Float.float16ToFloat(from.get(SHORT, block));
          for (int j = 0; j < 32; j++) {
            to[b * 32 + j] = d * from.get(JAVA_BYTE, block + 2 + j);
          }
        }
      }
      case Q4_0 -> {
        for (int b = 0; b < n / 32; b++) {
          long block = at + b * 18L;
          float d = Float.float16ToFloat(from.get(SHORT, block));
          for (int j = 0; j < 16; j++) {
            int q = from.get(JAVA_BYTE, block + 2 + j);
            to[b * 32 + j] = d * ((q & 15) - 8);
            to[b * 32 + j + 16] = d * (((q >> 4) & 15) - 8);
          }
        }
      }
      case Q4_G128 -> {
        for (int b = 0; b < n / 128; b++) {
          long block = at + b * 68L;
          float d = Float.float16ToFloat(from.get(SHORT, block));
          int zero = from.get(SHORT, block + 2);
          for (int j = 0; j < 64; j++) {
            int q = from.get(JAVA_BYTE, block + 4 + j);
            int i = b * 128 + j / 16 * 32 + j % 16;
            to[i] = d * ((q & 15) - zero);
            to[i + 16] = d * (((q >> 4) & 15) - zero);
          }
        }
      }
      case I32, U8 -> throw new InputException("weights cannot be stored as whole numbers");
    }
  }
}
