package dev.fovea.op;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.MT;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads tokens: y[t] = tokens[seq[t], pos[t]]. What decoding computes next, without asking the host. */
public record TokenAt() implements Op {

  @Override
  public String name() {
    return "token_at";
  }

  @Override
  public List<String> inputs() {
    return List.of("tokens", "seq", "pos"); // tokens [B,Mt], seq, pos [T] → [T]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 1).rank(2, 1);
    in.dtype(0, DType.I32).dtype(1, DType.I32).dtype(2, DType.I32);
    in.require(in.size(1, 0) == in.size(2, 0), "seq and pos must be equally long");
    return in.type(2);
  }

  @Override
  public void reference(Call c) {
    int places = c.shape(0).size(1);
    for (int t = 0; t < c.shape(1).size(0); t++) {
      int row = (int) c.in(1)[t];
      int pos = (int) c.in(2)[t];
      c.put(t, c.in(0)[row * places + pos], 0);
    }
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    return 4 * out.bytes();
  }

  @Override
  public List<Case> cases() {
    return List.of(
        of(1, new Fill.Values(0), new Fill.Values(0)),
        of(5, new Fill.Values(2, 0, 1, 1, 2), new Fill.Values(0, 19, 7, 6, 18)),
        of(6, new Fill.Values(2, 0, 1, 1, 2, 0), new Fill.Values(0, 19, 7, 6, 18, 1))
            .live(4));
  }

  private static Case of(int rows, Fill seq, Fill pos) {
    return new Case(
        rows + " rows",
        new TokenAt(),
        List.of(
            TensorType.i32(Shape.of(B, 3, MT, 20)),
            TensorType.i32(Shape.of(T, rows)),
            TensorType.i32(Shape.of(T, rows))),
        List.of(new Fill.Distinct(), seq, pos));
  }
}
