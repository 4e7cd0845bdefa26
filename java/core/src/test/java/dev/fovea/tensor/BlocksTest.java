package dev.fovea.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class BlocksTest {

  private static byte[] quantize(DType dtype, float... x) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(dtype.bytes(x.length));
      Blocks.quantize(dtype, x, 0, x.length, to, 0);
      return to.toArray(JAVA_BYTE);
    }
  }

  private static float[] ramp(float first, float step) {
    float[] x = new float[32];
    for (int i = 0; i < 32; i++) {
      x[i] = first + i * step;
    }
    return x;
  }

  /** The scale of 127/127 is 1, so the quants are the numbers; halves go away from zero. */
  @Test
  void eightBitsByHand() {
    float[] x = new float[32];
    x[0] = 127;
    x[1] = -126.5f;
    x[2] = 0.5f;
    x[3] = -0.5f;
    x[4] = 1.49f;
    x[31] = -3;
    byte[] expected = new byte[34];
    expected[0] = 0x00; // 1.0 in binary16 is 3c00
    expected[1] = 0x3c;
    expected[2] = 127;
    expected[3] = -127;
    expected[4] = 1;
    expected[5] = -1;
    expected[6] = 1;
    expected[33] = -3;
    assertArrayEquals(expected, quantize(DType.Q8_0, x));
  }

  /** The largest magnitude is −8, so d = 1 and q = x + 8; −8 … 7 use all sixteen codes. */
  @Test
  void fourBitsByHand() {
    float[] x = new float[32];
    for (int i = 0; i < 16; i++) {
      x[i] = i - 8;
      x[i + 16] = 7 - i;
    }
    // Byte j holds x[j] low and x[j+16] high: j | (15−j) << 4.
    assertEquals(
        "003c" + "f0e1d2c3b4a5968778695a4b3c2d1e0f",
        HexFormat.of().formatHex(quantize(DType.Q4_0, x)));
  }

  /** A positive extreme makes d negative; the opposite extreme would need code 16 and is cut to 15. */
  @Test
  void fourBitsWithPositiveExtreme() {
    float[] x = new float[32];
    x[0] = 8;
    x[1] = -8;
    byte[] q = quantize(DType.Q4_0, x);
    assertEquals("00bc", HexFormat.of().formatHex(q, 0, 2)); // −1.0
    assertEquals("808f", HexFormat.of().formatHex(q, 2, 4));
  }

  /** −5 … 10 use all sixteen codes of a group with d = 1 and z = 5; each 32 elements are packed as in Q4_0. */
  @Test
  void groupsByHand() {
    float[] x = new float[128];
    StringBuilder expected = new StringBuilder("003c0500");
    for (int part = 0; part < 4; part++) {
      for (int i = 0; i < 16; i++) {
        int q = (i + part) % 16;
        x[part * 32 + i] = q - 5;
        x[part * 32 + i + 16] = 10 - q;
        expected.append(Integer.toHexString(15 - q)).append(Integer.toHexString(q));
      }
    }
    byte[] group = quantize(DType.Q4_G128, x);
    assertEquals(expected.toString(), HexFormat.of().formatHex(group));
    for (int i = 0; i < 128; i++) {
      assertEquals(x[i], Blocks.get(DType.Q4_G128, MemorySegment.ofArray(group), i), "" + i);
    }
  }

  /** The second group's numbers are all positive, the third's all negative: zero points 0 and 15. */
  @Test
  void groupsOfOneSign() {
    float[] x = new float[3 * 128];
    for (int i = 0; i < 128; i++) {
      x[i] = 0;
      x[128 + i] = i % 16 * 0.5f;
      x[256 + i] = i % 16 * -2f;
    }
    byte[] groups = quantize(DType.Q4_G128, x);
    assertEquals("00000800", HexFormat.of().formatHex(groups, 0, 4));
    assertEquals("00380000", HexFormat.of().formatHex(groups, 68, 72));
    assertEquals("00400f00", HexFormat.of().formatHex(groups, 136, 140));
    for (int i = 0; i < x.length; i++) {
      assertEquals(x[i], Blocks.get(DType.Q4_G128, MemorySegment.ofArray(groups), i), 0, "" + i);
    }
  }

  /** Half a step of the stored d; d's own rounding to binary16 moves the far end, 15 steps away, by at most 15·2⁻¹¹ steps. */
  @Test
  void groupsStayWithinHalfAStep() {
    SplittableRandom random = new SplittableRandom(11);
    for (int round = 0; round < 200; round++) {
      float[] x = new float[128];
      double shift = 4 * random.nextDouble() - 2;
      for (int i = 0; i < 128; i++) {
        x[i] = (float) (random.nextGaussian() + shift);
      }
      MemorySegment group = MemorySegment.ofArray(quantize(DType.Q4_G128, x));
      double step = Math.abs(Blocks.get(DType.F16, group, 0));
      for (int i = 0; i < 128; i++) {
        double off = Math.abs(Blocks.get(DType.Q4_G128, group, i) - x[i]);
        assertTrue(
            off <= step * (0.5 + 15 * 0x1p-11 + 0x1p-18),
            "seed 11, round " + round + ": " + x[i] + " off by " + off);
      }
    }
  }

  @Test
  void zerosStayZero() {
    try (Arena arena = Arena.ofConfined()) {
      for (DType t : new DType[] {DType.Q8_0, DType.Q4_0}) {
        MemorySegment to = arena.allocate(t.bytes(32));
        Blocks.quantize(t, new float[32], 0, 32, to, 0);
        for (int i = 0; i < 32; i++) {
          assertTrue(Blocks.get(t, to, i) == 0, t + " " + i); // of either sign
        }
      }
    }
  }

  @Test
  void quantizesAtAnOffsetAndFromTheMiddle() {
    try (Arena arena = Arena.ofConfined()) {
      float[] x = new float[96];
      System.arraycopy(ramp(-5, 0.25f), 0, x, 64, 32);
      MemorySegment to = arena.allocate(34 * 3);
      Blocks.quantize(DType.Q8_0, x, 64, 32, to, 34);
      assertArrayEquals(
          quantize(DType.Q8_0, ramp(-5, 0.25f)), to.asSlice(34, 34).toArray(JAVA_BYTE));
      assertArrayEquals(new byte[34], to.asSlice(0, 34).toArray(JAVA_BYTE));
      assertArrayEquals(new byte[34], to.asSlice(68, 34).toArray(JAVA_BYTE));
      assertThrows(InputException.class, () -> Blocks.quantize(DType.Q8_0, x, 0, 64, to, 68));
      assertThrows(InputException.class, () -> Blocks.quantize(DType.Q8_0, x, 0, 40, to, 0));
    }
  }

  /** Half a step of d, d's own rounding to binary16 (2⁻¹¹ of at most 127 or 8 steps), and for Q4_0 a whole step at the cut. */
  @Test
  void roundTripStaysWithinAStep() {
    SplittableRandom random = new SplittableRandom(7);
    try (Arena arena = Arena.ofConfined()) {
      for (int round = 0; round < 200; round++) {
        float[] x = new float[32];
        float max = 0;
        for (int i = 0; i < 32; i++) {
          x[i] = (float) random.nextGaussian();
          max = Math.max(max, Math.abs(x[i]));
        }
        for (DType t : new DType[] {DType.Q8_0, DType.Q4_0}) {
          double step = t == DType.Q8_0 ? max / 127 : max / 8;
          double allowed = (t == DType.Q8_0 ? 0.5 : 1.0) * step + max * 0x1p-10;
          MemorySegment to = arena.allocate(t.bytes(32));
          Blocks.quantize(t, x, 0, 32, to, 0);
          for (int i = 0; i < 32; i++) {
            double off = Math.abs(Blocks.get(t, to, i) - x[i]);
            assertTrue(
                off <= allowed, t + " " + x[i] + " off by " + off + ", seed 7, round " + round);
          }
        }
      }
    }
  }

  /** What {@link dev.fovea.op.KvAppend} says of a cache of eight bits, down to scales that binary16 hardly holds. */
  @Test
  void eightBitsAreOffByHalfAStepAndTheStepsRounding() {
    SplittableRandom random = new SplittableRandom(31);
    for (int trial = 0; trial < 4000; trial++) {
      double scale = Math.pow(2, random.nextDouble(-30, 10));
      double[] x = new double[32];
      double max = 0;
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) (scale * random.nextGaussian());
        max = Math.max(max, Math.abs(x[i]));
      }
      double[] y = x.clone();
      Blocks.round(DType.Q8_0, y);
      for (int i = 0; i < x.length; i++) {
        assertEquals(
            x[i],
            y[i],
            max * (1. / 254 + 0x1p-11 + 0x1p-22) + 127 * 0x1p-25,
            "trial " + trial + " element " + i);
      }
    }
  }

  @Test
  void bfloat16RoundsToNearestEven() {
    assertEquals((short) 0x3f80, Blocks.bf16(1));
    assertEquals(
        (short) 0x3f80, Blocks.bf16(Float.intBitsToFloat(0x3f808000))); // a tie, even below
    assertEquals(
        (short) 0x3f82, Blocks.bf16(Float.intBitsToFloat(0x3f818000))); // a tie, even above
    assertEquals((short) 0x3f81, Blocks.bf16(Float.intBitsToFloat(0x3f808001)));
    assertEquals((short) 0xff80, Blocks.bf16(Float.NEGATIVE_INFINITY));
    assertEquals((short) 0x7f80, Blocks.bf16(Float.MAX_VALUE));
    assertTrue(
        Float.isNaN(Float.intBitsToFloat(Blocks.bf16(Float.intBitsToFloat(0x7f800001)) << 16)));
  }

  @Test
  void singleElements() {
    try (Arena arena = Arena.ofConfined()) {
      for (DType t : new DType[] {DType.F32, DType.F16, DType.BF16, DType.I32}) {
        MemorySegment to = arena.allocate(t.bytes(4));
        Blocks.set(t, to, 2, -3);
        assertEquals(-3.0, Blocks.get(t, to, 2));
        assertEquals(0.0, Blocks.get(t, to, 1));
        assertEquals(0.0, Blocks.get(t, to, 3));
      }
      MemorySegment to = arena.allocate(18);
      assertThrows(InputException.class, () -> Blocks.set(DType.Q4_0, to, 0, 1));
      assertThrows(
          InputException.class,
          () -> new Tensor(TensorType.f32(Shape.of(Axis.T, 4)), arena.allocate(18)));
    }
  }
}
