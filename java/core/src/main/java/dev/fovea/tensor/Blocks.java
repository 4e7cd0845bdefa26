package dev.fovea.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.fovea.error.InputException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Element encodings: the definition every kernel's decoding is checked against. Little-endian throughout. */
public final class Blocks {
  private static final ValueLayout.OfShort SHORT =
      JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Blocks() {}

  /** The i-th element of a run of {@code dtype} elements. */
  public static double get(DType dtype, MemorySegment data, long i) {
    return switch (dtype) {
      case F32 -> data.get(FLOAT, i * 4);
      case F16 -> Float.float16ToFloat(data.get(SHORT, i * 2));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, i * 2) << 16);
      case I32 -> data.get(INT, i * 4);
      case U8 -> data.get(JAVA_BYTE, i) & 0xff;
      case Q8_0 -> {
        long block = i / 32 * 34;
        yield (double) Float.float16ToFloat(data.get(SHORT, block))
            * data.get(JAVA_BYTE, block + 2 + i % 32);
      }
      case Q4_0 -> {
        long block = i / 32 * 18;
        int j = (int) (i % 32);
        int b = data.get(JAVA_BYTE, block + 2 + j % 16) & 0xff;
        yield (double) Float.float16ToFloat(data.get(SHORT, block))
            * ((j < 16 ? b & 15 : b >> 4) - 8);
      }
      case Q4_G128 -> {
        long block = i / 128 * 68;
        int j = (int) (i % 128);
        int b = data.get(JAVA_BYTE, block + 4 + j / 32 * 16L + j % 16) & 0xff;
        int zero = data.get(SHORT, block + 2) & 0xffff;
        yield (double) Float.float16ToFloat(data.get(SHORT, block))
            * ((j % 32 < 16 ? b & 15 : b >> 4) - zero);
      }
    };
  }

  /** Writes the i-th element of a run of unquantized elements, rounding to nearest even. */
  public static void set(DType dtype, MemorySegment data, long i, double value) {
    switch (dtype) {
      case F32 -> data.set(FLOAT, i * 4, (float) value);
      case F16 -> data.set(SHORT, i * 2, Float.floatToFloat16((float) value));
      case BF16 -> data.set(SHORT, i * 2, bf16((float) value));
      case I32 -> data.set(INT, i * 4, (int) value);
      case U8 -> data.set(JAVA_BYTE, i, (byte) (int) value);
      case Q8_0, Q4_0, Q4_G128 ->
        throw new InputException("single elements of " + dtype.label() + " cannot be written");
    }
  }

  /** Rounds to bfloat16, to nearest even; NaN stays NaN. */
  public static short bf16(float f) {
    int bits = Float.floatToRawIntBits(f);
    if (Float.isNaN(f)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /**
   * Encodes {@code n} floats, whole blocks, at {@code to[offset…]}.
   *
   * <p>Q8_0: d = max|x|/127, q = round(x/d). Q4_0: d = −m/8 with m the element of largest magnitude, q = min(15, ⌊x/d + 8.5⌋).
   * Both as ggml's reference quantizers do, so that files agree with llama.cpp's bit for bit. Q4_G128: d = (max − min)/15 over the
   * elements and 0, rounded to binary16, z = round(−min/d), q = round(x/d) + z, cut off at 0 and 15.
   */
  public static void quantize(
      DType dtype, float[] x, int from, int n, MemorySegment to, long offset) {
    if (!dtype.isQuantized()) {
      MemorySegment slice = to.asSlice(offset, dtype.bytes(n));
      for (int i = 0; i < n; i++) {
        set(dtype, slice, i, x[from + i]);
      }
      return;
    }
    long bytes = dtype.bytes(n);
    if (offset + bytes > to.byteSize()) {
      throw new InputException(
          "no room for " + bytes + " bytes at " + offset + " of " + to.byteSize());
    }
    for (int b = 0; b < n / dtype.blockSize(); b++) {
      long block = offset + (long) b * dtype.blockBytes();
      int base = from + b * dtype.blockSize();
      switch (dtype) {
        case Q8_0 -> quantizeQ8(x, base, to, block);
        case Q4_0 -> quantizeQ4(x, base, to, block);
        case Q4_G128 -> quantizeGroup(x, base, to, block);
        default -> throw new IllegalStateException(dtype.label());
      }
    }
  }

  /** Turns numbers, whole blocks, into those that {@link #quantize} makes of them. */
  public static void round(DType dtype, double[] x) {
    MemorySegment blocks = MemorySegment.ofArray(new byte[Math.toIntExact(dtype.bytes(x.length))]);
    set(dtype, blocks, x, 0, x.length);
    for (int i = 0; i < x.length; i++) {
      x[i] = get(dtype, blocks, i);
    }
  }

  /** Writes {@code n} numbers from {@code x[from]} on, whole blocks, at the start of {@code to}. */
  public static void set(DType dtype, MemorySegment to, double[] x, int from, int n) {
    if (!dtype.isQuantized()) {
      for (int i = 0; i < n; i++) {
        set(dtype, to, i, x[from + i]);
      }
      return;
    }
    float[] some = new float[n];
    for (int i = 0; i < n; i++) {
      some[i] = (float) x[from + i];
    }
    quantize(dtype, some, 0, n, to, 0);
  }

  private static void quantizeQ8(float[] x, int base, MemorySegment to, long block) {
    float max = 0;
    for (int j = 0; j < 32; j++) {
      max = Math.max(max, Math.abs(x[base + j]));
    }
    float d = max / 127f;
    float inverse = d == 0 ? 0 : 1f / d;
    to.set(SHORT, block, Float.floatToFloat16(d));
    for (int j = 0; j < 32; j++) {
      float v = x[base + j] * inverse;
      int q = (int)
          (v < 0 ? Math.ceil(v - 0.5) : Math.floor(v + 0.5)); // C's roundf: halves away from zero
      to.set(JAVA_BYTE, block + 2 + j, (byte) q);
    }
  }

  private static void quantizeQ4(float[] x, int base, MemorySegment to, long block) {
    float absMax = 0;
    float extreme = 0;
    for (int j = 0; j < 32; j++) {
      float v = x[base + j];
      if (absMax < Math.abs(v)) {
        absMax = Math.abs(v);
        extreme = v;
      }
    }
    float d = extreme / -8f;
    float inverse = d == 0 ? 0 : 1f / d;
    to.set(SHORT, block, Float.floatToFloat16(d));
    for (int j = 0; j < 16; j++) {
      int low = Math.min(15, (int) (x[base + j] * inverse + 8.5f));
      int high = Math.min(15, (int) (x[base + j + 16] * inverse + 8.5f));
      to.set(JAVA_BYTE, block + 2 + j, (byte) (low | high << 4));
    }
  }

  private static void quantizeGroup(float[] x, int base, MemorySegment to, long block) {
    float min = 0;
    float max = 0;
    for (int j = 0; j < 128; j++) {
      min = Math.min(min, x[base + j]);
      max = Math.max(max, x[base + j]);
    }
    short half = Float.floatToFloat16(max / 15 - min / 15);
    float d = Float.float16ToFloat(half);
    int zero = d == 0 ? 8 : Math.clamp(Math.round(-min / d), 0, 15);
    to.set(SHORT, block, half);
    to.set(SHORT, block + 2, (short) zero);
    for (int j = 0; j < 64; j++) {
      int at = base + j / 16 * 32 + j % 16;
      int low = groupLevel(x[at], d, zero);
      int high = groupLevel(x[at + 16], d, zero);
      to.set(JAVA_BYTE, block + 4 + j, (byte) (low | high << 4));
    }
  }

  private static int groupLevel(float x, float d, int zero) {
    return d == 0 ? zero : Math.clamp((long) Math.round(x / d) + zero, 0, 15);
  }
}
