package dev.fovea.op;

import static dev.fovea.tensor.Axis.E;
import static dev.fovea.tensor.Axis.N;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;

/** a's rows, then b's: puts the class token before the patches. */
public record ConcatRows() implements Op {

  @Override
  public String name() {
    return "concat_rows";
  }

  @Override
  public List<String> inputs() {
    return List.of("a", "b"); // a [A,E], b [P,E] → [N=A+P,E]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 2).dtype(0, DType.F32).dtype(1, DType.F32);
    in.require(in.size(0, 1) == in.size(1, 1), "a and b must have the same width");
    return TensorType.f32(
        Shape.of(N, in.size(0, 0) + in.size(1, 0), in.shape(0).axis(1), in.size(0, 1)));
  }

  @Override
  public void reference(Call c) {
    double[] a = c.in(0);
    double[] b = c.in(1);
    for (int i = 0; i < a.length + b.length; i++) {
      c.put(i, i < a.length ? a[i] : b[i - a.length], 0);
    }
  }

  @Override
  public List<Case> cases() {
    return List.of(of(1, 1, 1), of(1, 16, 64), of(3, 5, 17));
  }

  private static Case of(int a, int b, int width) {
    return new Case(
        a + "+" + b + "x" + width,
        new ConcatRows(),
        List.of(TensorType.f32(Shape.of(N, a, E, width)), TensorType.f32(Shape.of(N, b, E, width))),
        List.of(new Fill.Normal(1), new Fill.Normal(1)));
  }
}
