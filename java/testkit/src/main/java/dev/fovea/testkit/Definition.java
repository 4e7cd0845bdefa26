package dev.fovea.testkit;

import dev.fovea.op.Call;
import dev.fovea.op.Op;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What an op's definition says about some inputs: for each element that it writes, the number and the error allowed. Of the output, and
 * by {@link #written} of each state that is written beside it.
 */
final class Definition {
  private final TensorType out;
  private final double[] values;
  private final double[] bounds;
  private final List<Definition> written;

  private Definition(TensorType out, double[] values, double[] bounds, List<Definition> written) {
    this.out = out;
    this.values = values;
    this.bounds = bounds;
    this.written = written;
  }

  /** What there is before the definition runs: a state's numbers, or nothing. */
  private static Definition begin(
      TensorType type, double @Nullable [] state, List<Definition> written) {
    int n = Math.toIntExact(type.shape().elements());
    double[] bounds = new double[n];
    Arrays.fill(bounds, -1);
    return new Definition(
        type, state == null ? new double[n] : Arrays.copyOf(state, n), bounds, written);
  }

  private Call.Target target() {
    return new Call.Target(out, values, bounds);
  }

  /** In the order of the op's {@link Op#writes}. */
  List<Definition> written() {
    return written;
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
    List<Definition> written = new ArrayList<>();
    for (int i : op.writes()) {
      written.add(begin(Objects.requireNonNull(types.get(i)), in.get(i), List.of()));
    }
    Definition d = begin(out, state, written);
    List<Call.Target> targets = new ArrayList<>(List.of(d.target()));
    written.forEach(w -> targets.add(w.target()));
    op.reference(
        new Call(types, in, Collections.<double @Nullable []>nCopies(in.size(), null), targets));
    return d;
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
