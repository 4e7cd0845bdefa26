package dev.fovea.testkit;

import dev.fovea.op.Op;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One kernel run on host memory, as {@link HostDevice} hands it to a {@link Computation}.
 *
 * @param op with its attributes
 * @param in inputs in order, null where absent
 * @param out where the output goes
 * @param arena all the memory of the program, which a wrong kernel may write to at will
 */
public record Launch(Op op, List<@Nullable Operand> in, Operand out, MemorySegment arena) {

  /**
   * A tensor in host memory.
   *
   * @param type whole
   * @param live cut to the rows that count
   * @param memory the whole tensor
   * @param offset of {@code memory} in the arena; −1 if it lies elsewhere
   */
  public record Operand(TensorType type, TensorType live, MemorySegment memory, long offset) {
    double[] numbers() {
      return Rows.decode(live, memory);
    }
  }

  public Launch {
    in = Collections.unmodifiableList(new ArrayList<>(in));
  }

  /** The i-th input, which must be there. */
  Operand input(int i) {
    Operand o = in.get(i);
    if (o == null) {
      throw new IllegalArgumentException(op.name() + ": input " + i + " is absent");
    }
    return o;
  }

  List<@Nullable TensorType> types() {
    List<@Nullable TensorType> types = new ArrayList<>();
    for (Operand o : in) {
      types.add(o == null ? null : o.live());
    }
    return types;
  }

  /** The live rows of every input as numbers. */
  List<double @Nullable []> numbers() {
    List<double @Nullable []> numbers = new ArrayList<>();
    for (Operand o : in) {
      numbers.add(o == null ? null : o.numbers());
    }
    return numbers;
  }

  /** What the definition of {@code of} makes of these numbers. */
  Definition define(Op of, List<double @Nullable []> numbers) {
    int alias = of.aliasOf();
    return Definition.of(of, types(), numbers, out.live(), alias < 0 ? null : numbers.get(alias));
  }

  /** Computes by the definition, on other numbers perhaps, and stores the result. */
  void compute(Op of, List<double @Nullable []> numbers) {
    store(of, define(of, numbers));
  }

  /** Stores the output and the states that {@code of} writes. */
  void store(Op of, Definition d) {
    d.store(out.memory());
    for (int n = 0; n < d.written().size(); n++) {
      d.written().get(n).store(input(of.writes().get(n)).memory());
    }
  }

  /** The same launch with every row live. */
  Launch allRows() {
    List<@Nullable Operand> whole = new ArrayList<>();
    for (Operand o : in) {
      whole.add(o == null ? null : new Operand(o.type(), o.type(), o.memory(), o.offset()));
    }
    return new Launch(
        op, whole, new Operand(out.type(), out.type(), out.memory(), out.offset()), arena);
  }
}
