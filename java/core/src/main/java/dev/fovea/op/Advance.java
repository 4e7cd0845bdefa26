package dev.fovea.op;

import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;

/** Moves every row to its next position: pos[t] += 1. The output is the state itself. */
public record Advance() implements Op {

  @Override
  public String name() {
    return "advance";
  }

  @Override
  public List<String> inputs() {
    return List.of("pos"); // pos [T] → pos
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 1).dtype(0, DType.I32);
    return in.type(0);
  }

  @Override
  public int aliasOf() {
    return 0;
  }

  @Override
  public void reference(Call c) {
    for (int t = 0; t < c.shape(0).size(0); t++) {
      c.put(t, c.in(0)[t] + 1, 0);
    }
  }

  @Override
  public List<Case> cases() {
    return List.of(of(1), of(70), of(9).live(4));
  }

  private static Case of(int rows) {
    return new Case(
        rows + " rows",
        new Advance(),
        List.of(TensorType.i32(Shape.of(T, rows))),
        List.of(new Fill.Whole(0, 4096)));
  }
}
