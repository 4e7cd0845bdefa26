package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** y = r + x·Wᵀ + b: a linear map that ends in the residual connection, which saves a pass over the rows. */
public record LinearAdd() implements FusedOp {

  @Override
  public String name() {
    return "linear_add";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "w", "b?", "r"); // x [T,I], w [O,I], b [O], r [T,O] → [T,O]
  }

  @Override
  public TensorType infer(Operands in) {
    TensorType out = Linear.outType(in, 0, 1, 2);
    in.require(in.shape(3).sameSizes(out.shape()), "r must have the sizes of the output");
    return out;
  }

  @Override
  public List<Value> expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    Value w = FusedOp.present(in, 1);
    return List.of(FusedOp.present(in, 3).plus(x.linear(w, in.get(2))));
  }

  @Override
  public @Nullable Match match(Node last, Uses uses) {
    if (!(last.op() instanceof Add)) {
      return null;
    }
    Node linear = uses.onlyHere(last.in(1));
    if (linear == null || !(linear.op() instanceof Linear)) {
      return null;
    }
    return new Match(
        this,
        Arrays.asList(linear.in(0), linear.in(1), linear.inputs().get(2), last.in(0)),
        List.of(last.out()));
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(3);
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 2.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  public List<Case> cases() {
    return Linear.cases(this, 2, List.of(new Fill.Normal(1)), true);
  }
}
