package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** y = f(x·Wᵀ + b): a linear map that ends in an activation, which saves a pass over the rows. */
sealed interface LinearActivation extends FusedOp permits LinearGelu, LinearQuickGelu {

  /** f, recorded behind the linear map. */
  Value activate(Value y);

  /** Whether an op is f. */
  boolean activates(Op op);

  @Override
  default List<String> inputs() {
    return List.of("x", "w", "b?"); // x [T,I], w [O,I], b [O] → [T,O]
  }

  @Override
  default TensorType infer(Operands in) {
    return Linear.outType(in, 0, 1, 2);
  }

  @Override
  default List<Value> expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    Value w = FusedOp.present(in, 1);
    return List.of(activate(x.linear(w, in.get(2))));
  }

  @Override
  default @Nullable Match match(Node last, Uses uses) {
    if (!activates(last.op())) {
      return null;
    }
    Node linear = uses.onlyHere(last.in(0));
    if (linear == null || !(linear.op() instanceof Linear)) {
      return null;
    }
    return new Match(this, linear.inputs(), List.of(last.out()));
  }

  @Override
  default double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 2.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  default List<Case> cases() {
    return Linear.cases(this, 2, List.of(), false);
  }
}
