package dev.fovea.op;

import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.F;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.program.Node;
import dev.fovea.program.Uses;
import dev.fovea.program.Value;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * y = silu(n·Gᵀ) · (n·Uᵀ) with n = RMSNorm(x): the first half of LLaMA's feed-forward layer and the norm before it, so that the rows need
 * no pass of their own.
 *
 * @param eps of the norm
 */
public record NormSwiGlu(double eps) implements FusedOp {

  @Override
  public String name() {
    return "norm_swiglu";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "g", "gate", "up"); // x [T,D], g [D], gate [F,D], up [F,D] → [T,F]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(1, 1).dtype(1, DType.F32);
    in.require(in.type(2).equals(in.type(3)), "gate and up must have the same type");
    TensorType out = Linear.outType(in, 0, 2, -1);
    in.require(in.size(0, 1) == in.size(1, 0), "g must be as wide as x");
    return out;
  }

  @Override
  public List<Value> expand(List<@Nullable Value> in) {
    Value x = FusedOp.present(in, 0);
    Value n = x.trace().apply(new RmsNorm(eps), x, FusedOp.present(in, 1));
    Value gate = n.linear(FusedOp.present(in, 2), null);
    return List.of(gate.siluMul(n.linear(FusedOp.present(in, 3), null)));
  }

  @Override
  public @Nullable Match match(Node node, Uses uses) {
    List<Value> maps = SwiGlu.maps(node, uses);
    Node norm = maps == null ? null : maps.getFirst().producer();
    if (maps == null || norm == null || !(norm.op() instanceof RmsNorm op)) {
      return null;
    }
    if (uses.of(norm.out()) != 2) {
      return null;
    }
    List<@Nullable Value> in =
        new ArrayList<>(List.of(norm.in(0), norm.in(1), maps.get(1), maps.get(2)));
    return new Match(new NormSwiGlu(op.eps()), in, List.of(node.out()));
  }

  @Override
  public List<Number> attributes() {
    return List.of(eps);
  }

  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType x = in.get(0);
    return x == null ? 0 : 4.0 * out.shape().elements() * x.shape().size(1);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (DType dtype : Linear.WEIGHTS) {
      for (int[] d : new int[][] {{1, 32, 1}, {3, 96, 17}, {7, 160, 33}, {33, 128, 70}}) {
        cases.add(of(dtype, d[0], d[1], d[2], new Fill.Normal(1)));
      }
      if (dtype.blockSize() == 1) {
        cases.add(of(dtype, 3, 13, 7, new Fill.Normal(1)));
      }
      for (Fill fill : new Fill[] {
        new Fill.Constant(0),
        new Fill.Normal(1e-3),
        new Fill.Normal(1e-20),
        new Fill.Normal(1e12),
        new Fill.Outlier(1)
      }) {
        cases.add(of(dtype, 3, 128, 9, fill));
      }
      cases.add(of(dtype, 12, 64, 20, new Fill.Normal(1)).live(5));
      cases.add(of(dtype, 1, 4096, 256, new Fill.Normal(1)).asReal());
    }
    return cases;
  }

  private static Case of(DType dtype, int rows, int atLeast, int outs, Fill fill) {
    int block = dtype.blockSize();
    int width = (atLeast + block - 1) / block * block;
    TensorType weights = new TensorType(dtype, Shape.of(F, outs, D, width));
    return new Case(
        dtype.label() + " " + rows + "x" + width + "x" + outs + " " + fill,
        new NormSwiGlu(1e-5),
        List.of(
            TensorType.f32(Shape.of(T, rows, D, width)),
            TensorType.f32(Shape.of(D, width)),
            weights,
            weights),
        List.of(
            fill,
            new Fill.Normal(1),
            new Fill.Normal(1 / Math.sqrt(width)),
            new Fill.Normal(1 / Math.sqrt(width))));
  }
}
