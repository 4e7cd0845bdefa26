package dev.fovea.program;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Kernel;
import dev.fovea.error.BackendException;
import dev.fovea.op.KvAppend;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import org.junit.jupiter.api.Test;

class PlanTest {
  private record AnyKernel(String op, String signature, String variant) implements Kernel {}

  private static Plan plan(Trace t) {
    return Plan.of(
        t.program(), (op, in, out) -> new AnyKernel(op.name(), Node.signature(in, out), "any"));
  }

  private final Trace t = new Trace("p");
  private final Value x = t.input("x", TensorType.f32(Shape.of(Axis.T, 3, Axis.D, 32)));

  @Test
  void viewsTakeNoStepAndNoMemory() {
    Value y = x.quickGelu();
    Value row = y.rows(1, 1);
    Value heads = y.splitHeads(Axis.H, 4);
    Value z = heads.gelu();
    t.output("z", z);
    t.output("y", row.plus(row));
    Plan p = plan(t);
    assertEquals(3, p.steps().size());
    assertEquals(p.place(y), p.place(heads));
    assertEquals(p.place(y).offset() + 32 * 4, p.place(row).offset());
    assertEquals(32 * 4, p.place(row).bytes());
    assertNotEquals(p.place(y), p.place(z), "row is still read");
  }

  @Test
  void resultsTakeOverDyingOperandsOfTheirSize() {
    Value a = x.quickGelu();
    Value b = a.gelu();
    Value c = b.plus(x);
    t.output("y", c);
    Plan p = plan(t);
    assertEquals(p.place(a), p.place(b));
    assertEquals(p.place(b), p.place(c));
    assertNotEquals(p.place(x), p.place(a), "inputs outlive the run");
    assertEquals(2 * 512, p.arenaBytes(), "3 x 32 x 4 bytes each, at multiples of 256");
  }

  @Test
  void operandsThatLiveOnAreKept() {
    Value a = x.quickGelu();
    Value b = a.gelu();
    t.output("a", a);
    t.output("b", b);
    Plan p = plan(t);
    assertNotEquals(p.place(a), p.place(b));
  }

  @Test
  void aMapNeverWritesOverItsOperands() {
    Value w = t.weight("w", TensorType.f32(Shape.of(Axis.O, 32, Axis.I, 32)));
    Value a = x.quickGelu();
    Value b = a.linear(w, null);
    t.output("b", b);
    Plan p = plan(t);
    assertNotEquals(p.place(a).offset(), p.place(b).offset());
    assertEquals(new Plan.Slice(w, 0, 32 * 32 * 4), p.place(w));
    assertNull(p.place(b).source());
  }

  @Test
  void stateIsWrittenWhereItLies() {
    Value cache = t.state(
        "k", new TensorType(DType.F16, Shape.of(Axis.PG, 2, Axis.KH, 2, Axis.PS, 4, Axis.DH, 16)));
    Value pos = t.input("pos", TensorType.i32(Shape.of(Axis.T, 3)));
    Value seq = t.input("seq", TensorType.i32(Shape.of(Axis.T, 3)));
    Value pages = t.input("pages", TensorType.i32(Shape.of(Axis.B, 1, Axis.MP, 2)));
    Value heads = x.splitHeads(Axis.KH, 2);
    Value after = t.apply(new KvAppend(), cache, heads, pos, seq, pages);
    t.output("k", after);
    Plan p = plan(t);
    assertEquals(new Plan.Slice(cache, 0, cache.type().bytes()), p.place(after));
  }

  @Test
  void namesTheNodeThatHasNoKernel() {
    t.output("y", x.gelu());
    BackendException e =
        assertThrows(BackendException.class, () -> Plan.of(t.program(), (op, in, out) -> null));
    assertTrue(e.toString().contains("no kernel for gelu f32->f32"), e.toString());
  }

  @Test
  void readsAsText() {
    t.output("y", x.gelu());
    assertEquals(
        "p: 1 steps, arena 1024 bytes\n  gelu f32->f32 [any] [T=3,D=32] at arena+512\n",
        plan(t).toString());
  }
}
