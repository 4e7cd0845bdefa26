package dev.fovea.op;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.H;
import static dev.fovea.tensor.Axis.KH;
import static dev.fovea.tensor.Axis.MP;
import static dev.fovea.tensor.Axis.O;
import static dev.fovea.tensor.Axis.PG;
import static dev.fovea.tensor.Axis.PS;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything of a decoder layer before attention: n = RMSNorm(x); the queries n·Wqᵀ, turned by their positions, are the output; the keys
 * n·Wkᵀ, turned likewise, and the values n·Wvᵀ go into the paged cache. One pass over three matrices in place of eight ops, whose files
 * ({@link RmsNorm}, {@link Linear}, {@link Rope}, {@link KvAppend}) say what each does.
 *
 * @param eps of the norm
 * @param theta of the rotation, as are the next two
 * @param scale factor on positions
 * @param neighbours whether pairs are neighbours
 */
public record NormQkv(double eps, double theta, double scale, boolean neighbours)
    implements FusedOp {
  private static final int K = 5;
  private static final int V = 6;

  @Override
  public String name() {
    return "norm_qkv";
  }

  @Override
  public List<String> inputs() {
    // x [T,D], g [D], wq [H·Dh,D], wk, wv [Hk·Dh,D], k, v [Pg,Hk,Ps,Dh], pos, seq [T], pages [B,Mp]
    // → [T,H,Dh]
    return List.of("x", "g", "wq", "wk", "wv", "k", "v", "pos", "seq", "pages");
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(1, 1).rank(3, 2).rank(4, 2).rank(K, 4).rank(7, 1).rank(8, 1).rank(9, 2);
    in.dtype(1, DType.F32).dtype(K, DType.F32, DType.F16);
    in.dtype(7, DType.I32).dtype(8, DType.I32).dtype(9, DType.I32);
    TensorType q = Linear.outType(in, 0, 2, -1);
    in.require(in.size(1, 0) == in.size(0, 1), "g must be as wide as x");
    in.require(
        in.type(2).dtype() == in.type(3).dtype() && in.type(3).equals(in.type(4)),
        "wq, wk and wv must have the same dtype, wk and wv the same type");
    in.require(in.size(3, 1) == in.size(0, 1), "wk must be as wide as x");
    in.require(in.type(K).equals(in.type(V)), "k and v must have the same type");
    int width = in.size(K, 3);
    in.require(width % 2 == 0, "Dh must be even");
    in.require(
        in.size(2, 0) % width == 0 && in.size(3, 0) == in.size(K, 1) * width,
        "wq must have whole heads, and wk the cache's");
    in.require(
        in.size(0, 0) == in.size(7, 0) && in.size(0, 0) == in.size(8, 0),
        "pos and seq must have one entry per row of x");
    Shape s = q.shape();
    return TensorType.f32(Shape.of(s.axis(0), s.size(0), H, in.size(2, 0) / width, DH, width));
  }

  @Override
  public List<Integer> writes() {
    return List.of(K, V);
  }

  @Override
  public List<Value> expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    Value keys = FusedOp.present(in, K);
    Value pos = FusedOp.present(in, 7);
    Value n = x.trace().apply(new RmsNorm(eps), x, FusedOp.present(in, 1));
    Rope rope = new Rope(theta, scale, neighbours);
    Value wq = FusedOp.present(in, 2);
    int heads = wq.shape().size(0) / keys.dim(DH);
    Value q = n.linear(wq, null).splitHeads(H, heads);
    Value k = n.linear(FusedOp.present(in, 3), null).splitHeads(KH, keys.dim(KH));
    Value v = n.linear(FusedOp.present(in, 4), null).splitHeads(KH, keys.dim(KH));
    return List.of(
        x.trace().apply(rope, q, pos),
        append(in, K, x.trace().apply(rope, k, pos)),
        append(in, V, v));
  }

  private static Value append(List<@Nullable Value> in, int cache, Value rows) {
    return rows.trace()
        .apply(
            new KvAppend(),
            FusedOp.present(in, cache),
            rows,
            FusedOp.present(in, 7),
            FusedOp.present(in, 8),
            FusedOp.present(in, 9));
  }

  /** A map of the norm's output, split into heads: what its rows become. */
  private record Heads(
      Value weights,
      Value rows,
      @Nullable Node rope,
      @Nullable Node append) {}

  /** Looked for by the node that appends the values. */
  @Override
  public @Nullable Match match(Node node, Uses uses) {
    Value normed = node.op() instanceof KvAppend ? mapped(node.in(1)) : null;
    Node norm = normed == null ? null : normed.producer();
    if (normed == null || norm == null || !(norm.op() instanceof RmsNorm rms)) {
      return null;
    }
    if (uses.of(normed) != 3) {
      return null;
    }
    Heads q = null;
    Heads k = null;
    Heads v = null;
    for (Node map : uses.readers(normed)) {
      Heads heads = heads(map, uses);
      if (heads == null) {
        return null;
      }
      if (heads.rope() == null) {
        v = heads;
      } else if (heads.append() != null) {
        k = heads;
      } else {
        q = heads;
      }
    }
    if (q == null || k == null || v == null) {
      return null;
    }
    Node turned = q.rope();
    Node keyed = k.rope();
    Node keys = k.append();
    if (turned == null || keyed == null || keys == null || !node.equals(v.append())) {
      return null;
    }
    Value cache = keys.in(0);
    boolean fits = turned.op().equals(keyed.op())
        && turned.in(1).equals(keyed.in(1))
        && turned.in(1).equals(keys.in(2))
        && keys.inputs().subList(2, 5).equals(node.inputs().subList(2, 5))
        && cache.type().equals(node.in(0).type())
        && !cache.equals(node.in(0))
        && (cache.type().dtype() == DType.F32 || cache.type().dtype() == DType.F16)
        && q.rows().shape().size(2) == cache.shape().size(3)
        && q.weights().type().dtype() == k.weights().type().dtype()
        && k.weights().type().equals(v.weights().type());
    if (!fits || !(turned.op() instanceof Rope rope)) {
      return null;
    }
    List<@Nullable Value> in = new ArrayList<>(List.of(
        norm.in(0),
        norm.in(1),
        q.weights(),
        k.weights(),
        v.weights(),
        cache,
        node.in(0),
        node.in(2),
        node.in(3),
        node.in(4)));
    return new Match(
        new NormQkv(rms.eps(), rope.theta(), rope.scale(), rope.neighbours()),
        in,
        List.of(turned.out(), keys.out(), node.out()));
  }

  /** x, where {@code rows} are a view of a map of x; else null. */
  private static @Nullable Value mapped(Value rows) {
    Node view = rows.producer();
    Node map = view != null && view.op() instanceof View ? view.in(0).producer() : null;
    return map != null && map.op() instanceof Linear ? map.in(0) : null;
  }

  private static @Nullable Heads heads(Node map, Uses uses) {
    boolean plain = map.op() instanceof Linear && map.inputs().get(2) == null;
    Node view = plain ? uses.onlyReader(map.out()) : null;
    if (view == null
        || !(view.op() instanceof View v)
        || v.from() != 0
        || v.shape().rank() != 3
        || v.shape().elements() != map.out().shape().elements()) {
      return null;
    }
    Node next = uses.onlyReader(view.out());
    Node rope = next != null && next.op() instanceof Rope ? next : null;
    Node append = rope == null ? next : uses.onlyReader(rope.out());
    Value rows = rope == null ? view.out() : rope.out();
    boolean appends =
        append != null && append.op() instanceof KvAppend && append.in(1).equals(rows);
    return rope == null && !appends
        ? null
        : new Heads(map.in(1), rows, rope, appends ? append : null);
  }

  @Override
  public List<Number> attributes() {
    return List.of(eps, theta, scale, neighbours ? 1L : 0L);
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType wq = in.get(2);
    TensorType wk = in.get(3);
    return wq == null || wk == null
        ? 0
        : 2.0 * out.shape().size(0) * (wq.shape().elements() + 2 * wk.shape().elements());
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    long n = out.bytes();
    for (int i = 0; i < K; i++) {
      TensorType t = in.get(i);
      n += t == null ? 0 : t.bytes();
    }
    TensorType cache = in.get(K);
    return cache == null
        ? n
        : n
            + 2
                * cache
                    .dtype()
                    .bytes((long) out.shape().size(0)
                        * cache.shape().size(1)
                        * cache.shape().size(3));
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : Linear.WEIGHTS) {
      Fill normal = new Fill.Normal(1);
      for (DType cache : new DType[] {DType.F32, DType.F16}) {
        for (boolean neighbours : new boolean[] {false, true}) {
          cases.add(of(dtype, cache, 1, 64, 2, 2, 16, neighbours, normal, new Fill.Values(5)));
          cases.add(
              of(dtype, cache, 3, 96, 3, 1, 10, neighbours, normal, new Fill.Values(31, 0, 9)));
        }
        cases.add(of(dtype, cache, 34, 64, 4, 2, 36, false, normal, new Fill.Range(20)));
      }
      cases.add(of(dtype, DType.F16, 70, 32, 1, 1, 18, true, normal, new Fill.Range(1)));
      cases.add(of(dtype, DType.F16, 12, 64, 2, 1, 32, false, normal, new Fill.Range(30))
          .live(5));
      for (Fill fill : new Fill[] {
        new Fill.Constant(0), new Fill.Normal(1e-20), new Fill.Normal(1e12), new Fill.Outlier(1)
      }) {
        cases.add(of(dtype, DType.F32, 3, 128, 2, 1, 8, false, fill, new Fill.Values(3, 4, 90)));
      }
      cases.add(of(dtype, DType.F16, 1, 4096, 2, 1, 128, false, normal, new Fill.Values(100))
          .asReal());
    }
    return cases;
  }

  private static Case of(
      DType dtype,
      DType cache,
      int rows,
      int atLeast,
      int heads,
      int keyHeads,
      int headWidth,
      boolean neighbours,
      Fill fill,
      Fill pos) {
    int block = dtype.blockSize();
    int width = (atLeast + block - 1) / block * block;
    Fill weights = new Fill.Normal(1 / Math.sqrt(width));
    TensorType wk = new TensorType(dtype, Shape.of(O, keyHeads * headWidth, D, width));
    TensorType state = new TensorType(cache, Shape.of(PG, 9, KH, keyHeads, PS, 32, DH, headWidth));
    return new Case(
        dtype.label() + " " + cache.label() + " " + rows + "x" + width + " " + heads + "/"
            + keyHeads + "x" + headWidth + (neighbours ? " neighbours " : " ") + fill + " " + pos,
        new NormQkv(1e-5, 1e4, 0.5, neighbours),
        List.of(
            TensorType.f32(Shape.of(T, rows, D, width)),
            TensorType.f32(Shape.of(D, width)),
            new TensorType(dtype, Shape.of(O, heads * headWidth, D, width)),
            wk,
            wk,
            state,
            state,
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(B, 2, MP, 4))),
        List.of(
            fill,
            new Fill.Normal(1),
            weights,
            weights,
            weights,
            new Fill.Normal(1),
            new Fill.Normal(1),
            pos,
            new Fill.Values(1, 0, 1),
            new Fill.Distinct()));
  }
}
