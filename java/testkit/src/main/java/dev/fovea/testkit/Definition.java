package dev.fovea.testkit;

import dev.fovea.op.Call;
import dev.fovea.op.Op;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What an op's definition says about some inputs: for each element that it writes, the number and the error allowed. */
final class Definition {
  private final TensorType out;
  private final double[] values;
  private final double[] bounds;

  private Definition(TensorType out, double[] values, double[] bounds) {
    this.out = out;
    this.values = values;
    this.bounds = bounds;
  }

  /** The type of what is written, live rows only. */
  TensorType out() {
    return out;
  }

  /** Each element, exact in the type; elements of a state that are not written keep their value. */
  double[] values() {
    return values;
  }

  /** The error allowed for each element; −1 where the definition writes nothing. */
  double[] bounds() {
    return bounds;
  }

  /** @param state the output's numbers before, for an op that writes state; else null */
  static Definition of(
      Op op,
      List<@Nullable TensorType> types,
      List<double @Nullable []> in,
      TensorType out,
      double @Nullable [] state) {
    int n = Math.toIntExact(out.shape().elements());
    double[] values = state == null ? new double[n] : Arrays.copyOf(state, n);
    double[] bounds = new double[n];
    Arrays.fill(bounds, -1);
    op.reference(new Call(
        types, in, Collections.<double @Nullable []>nCopies(in.size(), null), out, values, bounds));
    return new Definition(out, values, bounds);
  }

  boolean writes(int i) {
    return bounds[i] != -1;
  }

  /** Stores what is written, and nothing else; of blocks those that are written to. */
  void store(MemorySegment to) {
    int size = out.dtype().blockSize();
    int bytes = out.dtype().blockBytes();
    for (int i = 0; i < values.length; i += size) {
      if (writes(i)) {
        Blocks.set(out.dtype(), to.asSlice((long) i / size * bytes, bytes), values, i, size);
      }
    }
  }
}
