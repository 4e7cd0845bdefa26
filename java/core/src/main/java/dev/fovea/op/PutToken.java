package dev.fovea.op;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.MT;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Notes what was chosen: tokens[seq[t], pos[t] + 1] = ids[t], and nothing where pos[t] is negative. The output is the record itself. No two
 * rows are of one sequence.
 */
public record PutToken() implements Op {

  @Override
  public String name() {
    return "put_token";
  }

  @Override
  public List<String> inputs() {
    return List.of("tokens", "ids", "seq", "pos"); // tokens [B,Mt], ids, seq, pos [T] → tokens
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 1).rank(2, 1).rank(3, 1);
    in.dtype(0, DType.I32).dtype(1, DType.I32).dtype(2, DType.I32).dtype(3, DType.I32);
    in.require(
        in.size(1, 0) == in.size(2, 0) && in.size(1, 0) == in.size(3, 0),
        "ids, seq and pos must be equally long");
    return in.type(0);
  }

  @Override
  public int aliasOf() {
    return 0;
  }

  @Override
  public void reference(Call c) {
    int places = c.shape(0).size(1);
    for (int t = 0; t < c.shape(1).size(0); t++) {
      int row = (int) c.in(2)[t];
      int pos = (int) c.in(3)[t];
      if (pos < 0) {
        continue;
      }
      c.put(row * places + pos + 1, c.in(1)[t], 0);
    }
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    TensorType ids = in.get(1);
    return ids == null ? 0 : 4 * ids.bytes();
  }

  @Override
  public List<Case> cases() {
    return List.of(
        of(1, new Fill.Values(0), new Fill.Values(0)),
        of(3, new Fill.Values(2, 0, 1), new Fill.Values(0, 18, 7)),
        of(2, new Fill.Values(2, 0), new Fill.Values(-1, 18)),
        of(3, new Fill.Values(1, 2, 0), new Fill.Values(18, 3, 4)).live(2));
  }

  private static Case of(int rows, Fill seq, Fill pos) {
    return new Case(
        rows + " rows",
        new PutToken(),
        List.of(
            TensorType.i32(Shape.of(B, 3, MT, 20)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows))),
        List.of(new Fill.Distinct(), new Fill.Whole(0, 1000), seq, pos));
  }
}
