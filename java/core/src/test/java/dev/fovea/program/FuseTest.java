package dev.fovea.program;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fovea.op.Ops;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FuseTest {
  private Trace t = new Trace("p");
  private Value x = t.input("x", TensorType.f32(Shape.of(Axis.T, 3, Axis.D, 8)));
  private Value w = t.weight("w", TensorType.f32(Shape.of(Axis.O, 8, Axis.I, 8)));
  private Value u = t.weight("u", TensorType.f32(Shape.of(Axis.O, 8, Axis.I, 8)));
  private Value b = t.weight("b", TensorType.f32(Shape.of(Axis.O, 8)));

  @BeforeEach
  void freshTrace() {
    t = new Trace("p");
    x = t.input("x", x.type());
    w = t.weight("w", w.type());
    u = t.weight("u", u.type());
    b = t.weight("b", b.type());
  }

  private List<String> fused(Value... outputs) {
    for (int i = 0; i < outputs.length; i++) {
      t.output("y" + i, outputs[i]);
    }
    Program p = Fuse.apply(t.program(), Ops.FUSED, (op, in, out) -> true);
    assertEquals(outputs.length, p.outputs().size());
    return p.nodes().stream().map(n -> n.op().name()).toList();
  }

  @Test
  void fusesEachComposition() {
    assertEquals(List.of("linear_quick_gelu"), fused(x.linear(w, b).quickGelu()));
    freshTrace();
    assertEquals(List.of("linear_gelu"), fused(x.linear(w, null).gelu()));
    freshTrace();
    assertEquals(List.of("linear_add"), fused(x.plus(x.linear(w, b))));
    freshTrace();
    assertEquals(List.of("swiglu"), fused(x.linear(w, null).siluMul(x.linear(u, null))));
    freshTrace();
    Value h = x.plus(x.linear(w, null));
    assertEquals(
        List.of("linear_add", "swiglu", "linear_add"),
        fused(h.plus(h.linear(w, null).siluMul(h.linear(u, null)).linear(w, null))));
  }

  @Test
  void keepsWhatIsReadElsewhere() {
    Value y = x.linear(w, b);
    assertEquals(List.of("linear", "quick_gelu", "add"), fused(y.quickGelu().plus(y)));
    freshTrace();
    Value z = x.linear(w, b);
    assertEquals(List.of("linear", "gelu"), fused(z.gelu(), z), "an output is read by the caller");
    freshTrace();
    Value g = x.linear(w, null);
    assertEquals(List.of("linear", "silu_mul"), fused(g.siluMul(g)));
  }

  @Test
  void keepsWhatOnlyLooksAlike() {
    assertEquals(
        List.of("linear", "add"), fused(x.linear(w, b).plus(x)), "the map must come second");
    freshTrace();
    assertEquals(
        List.of("linear", "linear", "silu_mul"),
        fused(x.linear(w, b).siluMul(x.linear(u, null))),
        "a bias");
    freshTrace();
    Value h = x.quickGelu();
    assertEquals(
        List.of("quick_gelu", "linear", "linear", "silu_mul"),
        fused(x.linear(w, null).siluMul(h.linear(u, null))),
        "two inputs");
    freshTrace();
    assertEquals(
        List.of("linear", "view", "quick_gelu"),
        fused(x.linear(w, b).splitHeads(Axis.H, 2).quickGelu()));
  }

  @Test
  void leavesAloneWhatTheTargetCannotRun() {
    t.output("y", x.linear(w, b).quickGelu());
    Program p = t.program();
    Program same = Fuse.apply(p, Ops.FUSED, (op, in, out) -> false);
    assertEquals(p.toString(), same.toString());
  }

  @Test
  void handsTheInputsOverInTheOpsOrder() {
    t.output("y", x.plus(x.quickGelu().linear(w, b)));
    assertEquals("""
        p
          input x f32[T=3,D=8]
          weight w f32[O=8,I=8]
          weight u f32[O=8,I=8]
          weight b f32[O=8]
          %0 quick_gelu f32[T=3,D=8] = QuickGelu[](x)
          %1 linear_add f32[T=3,O=8] = LinearAdd[](%0 quick_gelu, w, b, x)
        """, Fuse.apply(t.program(), Ops.FUSED, (op, in, out) -> true).toString());
  }
}
