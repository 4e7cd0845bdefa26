package dev.fovea.op;

import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;

/**
 * The same memory under another shape, perhaps only a part of it. Costs nothing: it is resolved when memory is placed, so no backend has
 * a kernel for it.
 *
 * @param shape the new shape
 * @param from first element of the input that is kept; a whole number of rows
 */
public record View(Shape shape, long from) implements Op {

  @Override
  public String name() {
    return "view";
  }

  @Override
  public List<String> inputs() {
    return List.of("x");
  }

  @Override
  public TensorType infer(Operands in) {
    in.require(in.type(0).dtype().blockSize() == 1, "x must have single elements");
    in.require(
        from >= 0 && from + shape.elements() <= in.shape(0).elements(),
        "elements " + from + " … of " + shape + " must lie in x");
    return new TensorType(in.type(0).dtype(), shape);
  }

  @Override
  public int aliasOf() {
    return 0;
  }

  @Override
  public void reference(Call c) {
    int n = (int) Math.min(c.outType().shape().elements(), c.in(0).length - from);
    for (int i = 0; i < n; i++) {
      c.put(i, c.in(0)[(int) from + i], c.error(0, (int) from + i));
    }
  }

  @Override
  public List<Case> cases() {
    return List.of();
  }
}
