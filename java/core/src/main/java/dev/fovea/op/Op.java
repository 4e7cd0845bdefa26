package dev.fovea.op;

import dev.fovea.tensor.TensorType;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One operation on tensors with one output, which may write states among its inputs beside it. An instance is a small record of the
 * op's attributes; the file that declares it is the whole contract: shapes, definition, allowed error, cost, cases.
 */
public interface Op {

  /** The stem used in every language: {@code rms_norm}. */
  String name();

  /** Names of the inputs in order; a name that ends in {@code ?} may be absent. */
  List<String> inputs();

  /** The shape rule: the output's type, or an {@link dev.fovea.error.InputException} that says which dims disagree. */
  TensorType infer(Operands in);

  /** The definition: plain loops over doubles that {@link Call#put} each output element with the error a kernel may make. */
  void reference(Call call);

  /** Attributes in the order of the ABI's argument struct: {@link Double} or {@link Long}. */
  default List<Number> attributes() {
    return List.of();
  }

  /** Inputs whose memory the output may take over when nobody else reads them. */
  default Set<Integer> inPlace() {
    return Set.of();
  }

  /** The input that the output is (same memory, always), or −1: state that is written, and views. */
  default int aliasOf() {
    return -1;
  }

  /** Inputs whose memory a run changes beside making the output: states, which their readers find changed. */
  default List<Integer> writes() {
    return List.of();
  }

  /** Arithmetic of one run. */
  default double flops(List<@Nullable TensorType> in, TensorType out) {
    return out.shape().elements();
  }

  /** Memory traffic of one run: every input read once, the output written once. */
  default long bytes(List<@Nullable TensorType> in, TensorType out) {
    long n = out.bytes();
    for (TensorType t : in) {
      n += t == null ? 0 : t.bytes();
    }
    return n;
  }

  /** What every kernel of this op is checked on. */
  List<Case> cases();
}
