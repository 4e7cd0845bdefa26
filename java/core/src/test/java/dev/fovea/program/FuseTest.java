package dev.fovea.program;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fovea.op.KvAppend;
import dev.fovea.op.NormQkv;
import dev.fovea.op.Ops;
import dev.fovea.op.PagedAttention;
import dev.fovea.op.RmsNorm;
import dev.fovea.op.Rope;
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

  private Value rows(Value normed, Axis axis) {
    return normed.linear(w, null).splitHeads(axis, 2);
  }

  /** A decoder layer's way into the cache; between: whether the keys are read before the values are appended. */
  private List<String> decoder(boolean between) {
    TensorType cache = TensorType.f32(Shape.of(Axis.PG, 2, Axis.KH, 2, Axis.PS, 4, Axis.DH, 4));
    Value keys = t.state("k", cache);
    Value values = t.state("v", cache);
    Value pos = t.input("pos", TensorType.i32(Shape.of(Axis.T, 3)));
    Value seq = t.input("seq", TensorType.i32(Shape.of(Axis.T, 3)));
    Value pages = t.input("pages", TensorType.i32(Shape.of(Axis.B, 1, Axis.MP, 2)));
    Value g = t.weight("g", TensorType.f32(Shape.of(Axis.D, 8)));
    Value n = t.apply(new RmsNorm(1e-6), x, g);
    Rope rope = new Rope(500, 0.5, true);
    Value q = t.apply(rope, rows(n, Axis.H), pos);
    Value k = t.apply(rope, rows(n, Axis.KH), pos);
    Value v = rows(n, Axis.KH);
    Value withK = t.apply(new KvAppend(), keys, k, pos, seq, pages);
    PagedAttention attention = new PagedAttention(1);
    Value early = between ? t.apply(attention, q, withK, values, pos, seq, pages) : null;
    Value withV = t.apply(new KvAppend(), values, v, pos, seq, pages);
    Value late = t.apply(attention, q, withK, withV, pos, seq, pages);
    return early == null ? fused(late) : fused(early, late);
  }

  @Test
  void fusesTheWayIntoTheCache() {
    assertEquals(List.of("norm_qkv", "paged_attention"), decoder(false));
    Program p = Fuse.apply(t.program(), Ops.FUSED, (op, in, out) -> true);
    Node phase = p.nodes().getFirst();
    assertEquals(new NormQkv(1e-6, 500, 0.5, true), phase.op());
    assertEquals(
        phase.made(), p.nodes().get(1).inputs().subList(0, 3), "attention reads what it wrote");
    assertEquals(phase.in(5), phase.written().get(0).alias());
    assertEquals(phase.in(6), phase.written().get(1).alias());
  }

  @Test
  void movesNoWriteBehindItsReader() {
    List<String> names = decoder(true);
    assertEquals(2, names.stream().filter("kv_append"::equals).count(), names.toString());
  }

  @Test
  void fusesANormIntoItsGate() {
    Value g = t.weight("g", TensorType.f32(Shape.of(Axis.D, 8)));
    Value n = t.apply(new RmsNorm(1e-6), x, g);
    assertEquals(List.of("norm_swiglu"), fused(n.linear(w, null).siluMul(n.linear(u, null))));
    freshTrace();
    g = t.weight("g", TensorType.f32(Shape.of(Axis.D, 8)));
    n = t.apply(new RmsNorm(1e-6), x, g);
    assertEquals(
        List.of("rms_norm", "swiglu"),
        fused(n.linear(w, null).siluMul(n.linear(u, null)), n),
        "the norm is read by the caller");
  }
}
