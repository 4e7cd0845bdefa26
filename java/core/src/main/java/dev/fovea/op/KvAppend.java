package dev.fovea.op;

import static dev.fovea.op.Call.HALF;
import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.KH;
import static dev.fovea.tensor.Axis.MP;
import static dev.fovea.tensor.Axis.PG;
import static dev.fovea.tensor.Axis.PS;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Writes keys or values into the paged cache: row t goes to page pages[seq[t], pos[t] / Ps], place pos[t] mod Ps. The output is the
 * cache itself, so that what reads it comes after. Paging after Kwon et al. 2023, arXiv:2309.06180, section 4.1.
 *
 * <p>What is written is exact but for the type. In a cache of eight bits each 32 numbers of a row become a block as
 * {@link Blocks#quantize} makes it, every step of which is one rounded operation of binary32, so that all backends write the same bytes.
 * A number is then off by at most max|x|·(1/254 + 2⁻¹¹ + 2⁻²²) + 127·2⁻²⁵: half a step, the rounding of the step to binary16, that of the
 * quotient, and that of steps below binary16's ordinary numbers.
 */
public record KvAppend() implements Op {

  @Override
  public String name() {
    return "kv_append";
  }

  @Override
  public List<String> inputs() {
    return List.of(
        "cache", "x", "pos", "seq",
        "pages"); // cache [Pg,Hk,Ps,Dh], x [T,Hk,Dh], pos [T], seq [T], pages [B,Mp] → cache
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 4).rank(1, 3).rank(2, 1).rank(3, 1).rank(4, 2);
    in.dtype(0, DType.F32, DType.F16, DType.Q8_0)
        .dtype(1, DType.F32)
        .dtype(2, DType.I32)
        .dtype(3, DType.I32)
        .dtype(4, DType.I32);
    in.require(
        in.size(0, 1) == in.size(1, 1) && in.size(0, 3) == in.size(1, 2),
        "cache and x must have the same heads");
    in.require(
        in.size(1, 0) == in.size(2, 0) && in.size(1, 0) == in.size(3, 0),
        "pos and seq must have one entry per row of x");
    PagedAttention.wholeBlocks(in, 0);
    return in.type(0);
  }

  @Override
  public int aliasOf() {
    return 0;
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(1);
    Shape cache = c.shape(0);
    int heads = cache.size(1);
    int places = cache.size(2);
    int width = cache.size(3);
    int tableWidth = c.shape(4).size(1);
    for (int t = 0; t < c.shape(1).size(0); t++) {
      int pos = (int) c.in(2)[t];
      int seq = (int) c.in(3)[t];
      int page = (int) c.in(4)[seq * tableWidth + pos / places];
      for (int h = 0; h < heads; h++) {
        double[] row = Arrays.copyOfRange(x, (t * heads + h) * width, (t * heads + h + 1) * width);
        if (c.type(0).dtype().isQuantized()) {
          Blocks.round(c.type(0).dtype(), row);
        }
        for (int i = 0; i < width; i++) {
          int from = (t * heads + h) * width + i;
          int to = ((page * heads + h) * places + pos % places) * width + i;
          c.put(to, row[i], error(c.type(0).dtype(), x[from], c.error(1, from)));
        }
      }
    }
  }

  /**
   * Exact but for the type; where x is only known to within an error, both ends of it are rounded. That is so only in fused ops, of which
   * none writes blocks.
   */
  private static double error(DType cache, double x, double error) {
    double rounding = cache == DType.F16 ? (Math.abs(x) + error) * HALF + 0x1p-25 : 0;
    return error == 0 ? 0 : error + 2 * rounding;
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(1);
    return x == null ? 0 : x.bytes() + out.dtype().bytes(x.shape().elements());
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : new DType[] {DType.F32, DType.F16, DType.Q8_0}) {
      int block = dtype.blockSize();
      cases.add(of(dtype, 1, 1, Math.max(2, block), 4, new Fill.Values(0), new Fill.Values(0)));
      cases.add(of(dtype, 5, 2, Math.max(16, block), 4, new Fill.Range(2), new Fill.Constant(1)));
      cases.add(
          of(dtype, 4, 3, 64, 32, new Fill.Values(0, 31, 32, 33), new Fill.Values(0, 1, 0, 1)));
      cases.add(
          of(dtype, 8, 2, Math.max(16, 3 * block), 8, new Fill.Range(11), new Fill.Constant(0))
              .live(3));
      cases.add(
          of(dtype, 1, 32, 128, 32, new Fill.Values(63), new Fill.Values(1)).asReal());
    }
    for (Fill x : new Fill[] {
      new Fill.Constant(0),
      new Fill.Outlier(1),
      new Fill.Normal(1e-6),
      new Fill.Normal(1e-30),
      new Fill.Values(127, 0.5, -0.5, 1.5, -2.5) // halves of a step
    }) {
      Case c = of(DType.Q8_0, 3, 2, 64, 4, new Fill.Range(1), new Fill.Constant(1));
      List<Fill> fill = new ArrayList<>(c.fill());
      fill.set(1, x);
      cases.add(new Case(c.name() + " x " + x, c.op(), c.in(), fill));
    }
    return cases;
  }

  private static Case of(
      DType dtype, int rows, int heads, int width, int places, Fill pos, Fill seq) {
    return new Case(
        dtype.label() + " " + rows + "x" + heads + "x" + width + " page " + places + " " + pos,
        new KvAppend(),
        List.of(
            new TensorType(dtype, Shape.of(PG, 9, KH, heads, PS, places, DH, width)),
            TensorType.f32(Shape.of(T, rows, KH, heads, DH, width)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(B, 2, MP, 4))),
        List.of(new Fill.Normal(1), new Fill.Normal(1), pos, seq, new Fill.Distinct()));
  }
}
