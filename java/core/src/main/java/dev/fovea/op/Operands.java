package dev.fovea.op;

import dev.fovea.error.InputException;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The input types of an op while its shape rule looks at them.
 *
 * @param op who asks; named in errors
 * @param types one per input, null where an optional input is absent
 */
public record Operands(Op op, List<@Nullable TensorType> types) {

  public Operands {
    List<String> names = op.inputs();
    if (types.size() != names.size()) {
      throw new InputException(
          op.name() + " takes " + names + ", found " + types.size() + " inputs");
    }
    for (int i = 0; i < types.size(); i++) {
      if (types.get(i) == null && !names.get(i).endsWith("?")) {
        throw new InputException(op.name() + ": input " + names.get(i) + " is missing");
      }
    }
  }

  public boolean has(int i) {
    return types.get(i) != null;
  }

  public TensorType type(int i) {
    TensorType t = types.get(i);
    if (t == null) {
      throw new InputException(op.name() + ": input " + op.inputs().get(i) + " is missing");
    }
    return t;
  }

  public Shape shape(int i) {
    return type(i).shape();
  }

  /** Size of axis j of input i; negative j counts from the fastest. */
  public int size(int i, int j) {
    return shape(i).size(j);
  }

  public Operands rank(int i, int rank) {
    return require(shape(i).rank() == rank, op.inputs().get(i) + " must have " + rank + " axes");
  }

  public Operands dtype(int i, DType... allowed) {
    return require(
        List.of(allowed).contains(type(i).dtype()),
        op.inputs().get(i) + " must be one of " + List.of(allowed));
  }

  public Operands require(boolean holds, String what) {
    if (!holds) {
      throw new InputException(op.name() + ": " + what + ", found " + describe());
    }
    return this;
  }

  private String describe() {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < types.size(); i++) {
      s.append(i == 0 ? "" : ", ")
          .append(op.inputs().get(i).replace("?", ""))
          .append(' ')
          .append(types.get(i));
    }
    return s.toString();
  }
}
