package dev.fovea.op;

import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.R;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Picks rows: y[r] = x[rows[r]]. Keeps the language head to the rows whose logits are wanted. */
public record TakeRows() implements Op {

  @Override
  public String name() {
    return "take_rows";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "rows"); // x [T,D], rows [R] → [R,D]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 1).dtype(0, DType.F32).dtype(1, DType.I32);
    return TensorType.f32(
        Shape.of(in.shape(1).axis(0), in.size(1, 0), in.shape(0).axis(1), in.size(0, 1)));
  }

  @Override
  public void reference(Call c) {
    int width = c.shape(0).size(1);
    double[] rows = c.in(1);
    for (int r = 0; r < rows.length; r++) {
      int row = (int) rows[r];
      for (int i = 0; i < width; i++) {
        c.put(r * width + i, c.in(0)[row * width + i], 0);
      }
    }
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    return 2 * out.bytes();
  }

  @Override
  public List<Case> cases() {
    return List.of(
        of(1, 1, 5, new Fill.Values(0)),
        of(7, 3, 40, new Fill.Values(6, 0, 6)),
        of(5, 5, 17, new Fill.Distinct()));
  }

  private static Case of(int from, int rows, int width, Fill fill) {
    return new Case(
        from + "x" + width + " take " + rows,
        new TakeRows(),
        List.of(TensorType.f32(Shape.of(T, from, D, width)), TensorType.i32(Shape.of(R, rows))),
        List.of(new Fill.Normal(1), fill));
  }
}
