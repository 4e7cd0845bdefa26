package dev.fovea.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ShapeTest {

  @Test
  void namesAndSizes() {
    Shape s = Shape.of(Axis.T, 3, Axis.KH, 2, Axis.DH, 128);
    assertEquals("[T=3,Hk=2,Dh=128]", s.toString());
    assertEquals(3, s.rank());
    assertEquals(2, s.dim(Axis.KH));
    assertEquals(128, s.size(-1));
    assertEquals(Axis.T, s.axis(-3));
    assertEquals(768, s.elements());
    assertEquals(256, s.rowElements());
    assertArrayEquals(new int[] {3, 2, 128}, s.toArray());
    assertTrue(s.sameSizes(Shape.of(Axis.N, 3, Axis.H, 2, Axis.DH, 128)));
    assertFalse(s.sameSizes(Shape.of(Axis.T, 3, Axis.D, 256)));
  }

  @Test
  void refusesWhatIsNoShape() {
    assertThrows(InputException.class, () -> new Shape(List.of(), List.of()));
    assertThrows(InputException.class, () -> new Shape(List.of(Axis.T), List.of(1, 2)));
    assertThrows(InputException.class, () -> Shape.of(Axis.T, 0));
    assertThrows(InputException.class, () -> Shape.of(Axis.T, 4, Axis.D, -1));
    assertThrows(
        ArithmeticException.class,
        () -> Shape.of(Axis.PG, 1 << 30, Axis.T, 1 << 30, Axis.H, 1 << 30));
    InputException e =
        assertThrows(InputException.class, () -> Shape.of(Axis.T, 4).dim(Axis.D));
    assertEquals("no axis D in [T=4]", e.getMessage());
  }

  @Test
  void bytesOfTypes() {
    assertEquals(3 * 64 * 4, TensorType.f32(Shape.of(Axis.T, 3, Axis.D, 64)).bytes());
    assertEquals(3 * 2 * 18, new TensorType(DType.Q4_0, Shape.of(Axis.O, 3, Axis.I, 64)).bytes());
    assertEquals(3 * 2 * 34, new TensorType(DType.Q8_0, Shape.of(Axis.O, 3, Axis.I, 64)).bytes());
    // 96 elements would be 3 blocks, but rows of 48 cannot be cut into blocks of 32.
    TensorType ragged = new TensorType(DType.Q4_0, Shape.of(Axis.O, 2, Axis.I, 48));
    assertThrows(InputException.class, ragged::bytes);
    assertEquals(
        "q8_0[O=3,I=64]", new TensorType(DType.Q8_0, Shape.of(Axis.O, 3, Axis.I, 64)).toString());
  }

  @Test
  void typesByName() {
    for (DType t : DType.values()) {
      assertEquals(t, DType.parse(t.label()));
    }
    assertThrows(InputException.class, () -> DType.parse("int4"));
  }
}
