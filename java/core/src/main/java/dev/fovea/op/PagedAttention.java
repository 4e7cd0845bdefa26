package dev.fovea.op;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.H;
import static dev.fovea.tensor.Axis.KH;
import static dev.fovea.tensor.Axis.MP;
import static dev.fovea.tensor.Axis.PG;
import static dev.fovea.tensor.Axis.PS;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Causal attention that reads keys and values from the paged cache: row t attends to positions 0 … pos[t] of sequence seq[t]. Serves
 * prefill, decode and batches alike, since every row says where it stands. Query head h reads key head h·Hk/H (grouped queries, Ainslie
 * et al. 2023, arXiv:2305.13245). Attention after Vaswani et al. 2017, arXiv:1706.03762, equation 1. Where the cache is binary16 a kernel
 * may round the query and the weights to that too; where it is of eight bits, keys and values as well; the bound says so.
 *
 * @param scale 1/√Dh
 */
public record PagedAttention(double scale) implements Op {

  @Override
  public String name() {
    return "paged_attention";
  }

  @Override
  public List<String> inputs() {
    return List.of(
        "q", "k", "v", "pos", "seq",
        "pages"); // q [T,H,Dh], k, v [Pg,Hk,Ps,Dh], pos, seq [T], pages [B,Mp] → [T,H,Dh]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 3).rank(1, 4).rank(2, 4).rank(3, 1).rank(4, 1).rank(5, 2);
    in.dtype(0, DType.F32)
        .dtype(1, DType.F32, DType.F16, DType.Q8_0)
        .dtype(3, DType.I32)
        .dtype(4, DType.I32)
        .dtype(5, DType.I32);
    in.require(in.type(1).equals(in.type(2)), "k and v must have the same type");
    in.require(in.size(0, 2) == in.size(1, 3), "q and k must have heads of the same width");
    in.require(in.size(0, 1) % in.size(1, 1) == 0, "H must be a multiple of Hk");
    in.require(
        in.size(0, 0) == in.size(3, 0) && in.size(0, 0) == in.size(4, 0),
        "pos and seq must have one entry per row of q");
    wholeBlocks(in, 1);
    return in.type(0);
  }

  /** The rule for a cache [Pg,Hk,Ps,Dh]. */
  static void wholeBlocks(Operands in, int cache) {
    in.require(
        in.size(cache, 3) % in.type(cache).dtype().blockSize() == 0,
        "heads of the cache must be whole blocks wide");
  }

  @Override
  public void reference(Call c) {
    Shape q = c.shape(0);
    Shape cache = c.shape(1);
    int heads = q.size(1);
    int width = q.size(2);
    int keyHeads = cache.size(1);
    int places = cache.size(2);
    int tableWidth = c.shape(5).size(1);
    Attention.Halves halves = switch (c.type(1).dtype()) {
      case F16 -> Attention.Halves.QUERY_AND_WEIGHTS;
      case Q8_0 -> Attention.Halves.ALL;
      default -> Attention.Halves.NONE;
    };
    for (int t = 0; t < q.size(0); t++) {
      int n = (int) c.in(3)[t] + 1;
      int seq = (int) c.in(4)[t];
      int[] at = new int[n];
      for (int h = 0; h < heads; h++) {
        for (int j = 0; j < n; j++) {
          int page = (int) c.in(5)[seq * tableWidth + j / places];
          at[j] = ((page * keyHeads + h * keyHeads / heads) * places + j % places) * width;
        }
        Attention.head(
            c, scale, c.in(0), (t * heads + h) * width, c.in(1), c.in(2), at, n, width, halves);
      }
    }
  }

  @Override
  public List<Number> attributes() {
    return List.of(scale);
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType k = in.get(1);
    return k == null
        ? 0
        : 4.0
            * out.shape().elements()
            * k.shape().size(0)
            * k.shape().size(2); // as if the pool were one full sequence
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : new DType[] {DType.F32, DType.F16, DType.Q8_0}) {
      int block = dtype.blockSize();
      cases.add(
          of(dtype, 1, 1, 1, Math.max(8, block), 4, new Fill.Values(0), new Fill.Values(0), 1));
      cases.add(of(dtype, 5, 2, 2, 64, 4, new Fill.Range(7), new Fill.Constant(1), 1));
      cases.add(of(
          dtype,
          6,
          4,
          2,
          128,
          32,
          new Fill.Values(0, 1, 31, 32, 33, 100),
          new Fill.Values(0, 1, 0, 1, 0, 1),
          1));
      cases.add(of(
          dtype,
          40,
          3,
          1,
          Math.max(20, 3 * block),
          16,
          new Fill.Range(0),
          new Fill.Constant(0),
          1));
      cases.add(
          of(dtype, 6, 2, 2, 64, 8, new Fill.Range(9), new Fill.Constant(0), 1).live(2));
      cases.add(
          of(dtype, 3, 2, 1, 128, 32, new Fill.Values(127, 64, 95), new Fill.Values(1, 1, 0), 6));
      cases.add(of(dtype, 9, 2, 2, 64, 8, new Fill.Range(3), new Fill.Constant(1), 60));
      cases.add(of(dtype, 1, 32, 32, 128, 32, new Fill.Values(127), new Fill.Values(0), 1)
          .asReal());
    }
    return cases;
  }

  private static Case of(
      DType dtype,
      int rows,
      int heads,
      int keyHeads,
      int width,
      int places,
      Fill pos,
      Fill seq,
      double sharpness) {
    TensorType cache = new TensorType(dtype, Shape.of(PG, 9, KH, keyHeads, PS, places, DH, width));
    return new Case(
        dtype.label() + " " + rows + "x" + heads + "/" + keyHeads + "x" + width + " page " + places
            + " " + pos + " q " + sharpness,
        new PagedAttention(1 / Math.sqrt(width)),
        List.of(
            TensorType.f32(Shape.of(T, rows, H, heads, DH, width)),
            cache,
            cache,
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(B, 2, MP, 4))),
        List.of(
            new Fill.Normal(sharpness),
            new Fill.Normal(1),
            new Fill.Normal(1),
            pos,
            seq,
            new Fill.Distinct()));
  }
}
