package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** y = quick_gelu(x·Wᵀ + b): the first half of CLIP's feed-forward layer. */
public record LinearQuickGelu() implements FusedOp {

  @Override
  public String name() {
    return "linear_quick_gelu";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "w", "b?"); // x [T,I], w [O,I], b [O] → [T,O]
  }

  @Override
  public TensorType infer(Operands in) {
    return Linear.outType(in, 0, 1, 2);
  }

  @Override
  public Value expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    Value w = FusedOp.present(in, 1);
    return x.linear(w, in.get(2)).quickGelu();
  }

  @Override
  public @Nullable List<@Nullable Value> match(Node last, Uses uses) {
    if (!(last.op() instanceof QuickGelu)) {
      return null;
    }
    Node linear = uses.onlyHere(last.in(0));
    if (linear == null || !(linear.op() instanceof Linear)) {
      return null;
    }
    return linear.inputs();
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 2.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  public List<Case> cases() {
    return Linear.cases(this, 2, List.of(), false);
  }
}
