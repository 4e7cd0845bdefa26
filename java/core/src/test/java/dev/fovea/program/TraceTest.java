package dev.fovea.program;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import dev.fovea.op.Add;
import dev.fovea.op.Linear;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TraceTest {
  private static final TensorType ROWS = TensorType.f32(Shape.of(Axis.T, 3, Axis.D, 32));

  @Test
  void recordsWhatIsApplied() {
    Trace t = new Trace("p");
    Value x = t.input("x", ROWS);
    Value w = t.weight("w", new TensorType(DType.Q4_0, Shape.of(Axis.V, 7, Axis.D, 32)));
    Value y = x.plus(x).linear(w, null);
    t.output("y", y);
    Program p = t.program();
    assertEquals(2, p.nodes().size());
    assertEquals("f32[T=3,V=7]", y.type().toString());
    assertEquals("f32,q4_0,_->f32", p.nodes().get(1).signature());
    assertEquals("""
        p
          input x f32[T=3,D=32]
          weight w q4_0[V=7,D=32]
          %0 add f32[T=3,D=32] = Add[](x, x)
          %1 linear f32[T=3,V=7] = Linear[](%0 add, w, _)
        """, p.toString());
  }

  @Test
  void refusesTypesThatDoNotFit() {
    Trace t = new Trace("p");
    Value x = t.input("x", ROWS);
    Value other = t.input("other", TensorType.f32(Shape.of(Axis.T, 3, Axis.D, 33)));
    InputException e = assertThrows(InputException.class, () -> x.plus(other));
    assertEquals(
        "add: a and b must have the same sizes, found a f32[T=3,D=32], b f32[T=3,D=33]",
        e.getMessage());
    assertThrows(InputException.class, () -> x.linear(other, null));
    InputException missing = assertThrows(
        InputException.class, () -> t.apply(new Linear(), Arrays.asList(x, null, null)));
    assertTrue(missing.toString().contains("input w is missing"), missing.toString());
    assertThrows(InputException.class, () -> t.apply(new Add(), x));
    assertThrows(InputException.class, () -> x.rows(2, 2), "beyond the last row");
    assertThrows(
        InputException.class,
        () -> x.linear(t.input("w", TensorType.i32(Shape.of(Axis.O, 5, Axis.I, 32))), null));
    assertEquals(0, t.program().nodes().size(), "refused nodes leave no trace");
  }

  @Test
  void refusesNamesTwiceAndStrangers() {
    Trace t = new Trace("p");
    Value x = t.input("x", ROWS);
    assertThrows(IllegalArgumentException.class, () -> t.weight("x", ROWS));
    t.output("y", x.plus(x));
    assertThrows(IllegalArgumentException.class, () -> t.output("y", x));
    Value stranger = new Trace("q").input("x", ROWS);
    assertThrows(IllegalArgumentException.class, () -> x.plus(stranger));
    assertThrows(IllegalArgumentException.class, () -> t.output("z", stranger));
  }
}
