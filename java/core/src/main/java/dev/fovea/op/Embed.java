package dev.fovea.op;

import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.M;
import static dev.fovea.tensor.Axis.T;
import static dev.fovea.tensor.Axis.V;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Token embedding with image splice: id ≥ 0 takes row id of the table, id &lt; 0 takes row −id−1 of the image features, so that one
 * program serves any mixture of text and pictures. Liu et al. 2023, arXiv:2304.08485, section 4.1.
 */
public record Embed() implements Op {
  /** Linear's weights but for groups of 128, in which no checkpoint has its table. */
  private static final DType[] TABLES = {DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0};

  @Override
  public String name() {
    return "embed";
  }

  @Override
  public List<String> inputs() {
    return List.of("ids", "table", "image?"); // ids [T], table [V,D], image [M,D] → [T,D]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 1).rank(1, 2).dtype(0, DType.I32).dtype(1, TABLES);
    if (in.has(2)) {
      in.rank(2, 2)
          .dtype(2, DType.F32)
          .require(in.size(1, 1) == in.size(2, 1), "table and image must have the same width");
    }
    return TensorType.f32(Shape.of(in.shape(0).axis(0), in.size(0, 0), D, in.size(1, 1)));
  }

  @Override
  public void reference(Call c) {
    double[] ids = c.in(0);
    int width = c.shape(1).size(1);
    for (int t = 0; t < ids.length; t++) {
      int id = (int) ids[t];
      double[] from = id >= 0 ? c.in(1) : c.in(2);
      int row = id >= 0 ? id : -id - 1;
      for (int i = 0; i < width; i++) {
        c.put(
            t * width + i,
            from[row * width + i],
            0); // exact: an 11-bit scale times an 8-bit weight fits binary32
      }
    }
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    return 2 * out.bytes();
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : TABLES) {
      cases.add(of(dtype, 1, 32, 3, false, new Fill.Values(2)));
      cases.add(of(dtype, 7, 96, 11, false, new Fill.Whole(0, 10)));
      cases.add(of(dtype, 9, 64, 11, true, new Fill.Whole(-5, 10)));
      cases.add(of(dtype, 9, 64, 11, true, new Fill.Whole(-5, 10)).live(4));
    }
    return cases;
  }

  private static Case of(DType dtype, int rows, int width, int words, boolean image, Fill ids) {
    List<@Nullable TensorType> in = new ArrayList<>();
    in.add(TensorType.i32(Shape.of(T, rows)));
    in.add(new TensorType(dtype, Shape.of(V, words, D, width)));
    in.add(image ? TensorType.f32(Shape.of(M, 5, D, width)) : null);
    return new Case(
        dtype.label() + " " + rows + "x" + width + (image ? " image" : ""),
        new Embed(),
        in,
        List.of(ids, new Fill.Normal(1), new Fill.Normal(1)));
  }
}
