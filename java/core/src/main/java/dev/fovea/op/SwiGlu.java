package dev.fovea.op;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** y = silu(x·Gᵀ) · (x·Uᵀ): both halves of LLaMA's feed-forward layer at once. Shazeer 2020, arXiv:2002.05202, equation 6. */
public record SwiGlu() implements FusedOp {

  @Override
  public String name() {
    return "swiglu";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "gate", "up"); // x [T,D], gate [F,D], up [F,D] → [T,F]
  }

  @Override
  public TensorType infer(Operands in) {
    in.require(in.type(1).equals(in.type(2)), "gate and up must have the same type");
    return Linear.outType(in, 0, 1, -1);
  }

  @Override
  public List<Value> expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    return List.of(
        x.linear(FusedOp.present(in, 1), null).siluMul(x.linear(FusedOp.present(in, 2), null)));
  }

  @Override
  public @Nullable Match match(Node last, Uses uses) {
    List<Value> in = maps(last, uses);
    return in == null ? null : new Match(this, new ArrayList<>(in), List.of(last.out()));
  }

  /** x, gate and up of a gate that ends in {@code last}; null if there is none. */
  static @Nullable List<Value> maps(Node last, Uses uses) {
    if (!(last.op() instanceof SiluMul)) {
      return null;
    }
    Node gate = uses.onlyHere(last.in(0));
    Node up = uses.onlyHere(last.in(1));
    if (gate == null
        || up == null
        || !(gate.op() instanceof Linear)
        || !(up.op() instanceof Linear)) {
      return null;
    }
    boolean plain = gate.inputs().get(2) == null && up.inputs().get(2) == null;
    boolean same =
        gate.in(0).equals(up.in(0)) && gate.in(1).type().equals(up.in(1).type());
    return plain && same ? List.of(gate.in(0), gate.in(1), up.in(1)) : null;
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 4.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  public List<Case> cases() {
    return Linear.cases(this, -1, List.of(), true);
  }
}
