package dev.fovea.op;

import static dev.fovea.op.Call.gamma;
import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** y = a + b, element by element, same sizes: the residual connection. */
public record Add() implements Op {

  @Override
  public String name() {
    return "add";
  }

  @Override
  public List<String> inputs() {
    return List.of("a", "b"); // a [T,D], b [T,D] → [T,D]
  }

  @Override
  public TensorType infer(Operands in) {
    in.dtype(0, DType.F32).dtype(1, DType.F32);
    in.require(in.shape(0).sameSizes(in.shape(1)), "a and b must have the same sizes");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    double[] a = c.in(0);
    double[] b = c.in(1);
    for (int i = 0; i < a.length; i++) {
      c.put(i, a[i] + b[i], gamma(1) * Math.abs(a[i] + b[i]) + c.error(0, i) + c.error(1, i));
    }
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0, 1);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int[] d : new int[][] {{1, 1}, {3, 17}, {5, 64}, {2, 1027}}) {
      cases.add(of(d[0], d[1], new Fill.Normal(1)));
    }
    cases.add(of(1, 4096, new Fill.Normal(1)).asReal());
    cases.add(of(3, 40, new Fill.Normal(1e30)));
    cases.add(of(9, 24, new Fill.Normal(1)).live(4));
    return cases;
  }

  private static Case of(int rows, int width, Fill fill) {
    TensorType type = TensorType.f32(Shape.of(T, rows, D, width));
    return new Case(
        rows + "x" + width + " " + fill,
        new Add(),
        List.of(type, type),
        List.of(fill, new Fill.Normal(1)));
  }
}
