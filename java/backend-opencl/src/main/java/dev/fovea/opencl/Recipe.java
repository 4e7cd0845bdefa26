package dev.fovea.opencl;

import dev.fovea.op.Op;
import dev.fovea.tensor.TensorType;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One way to run an op.
 *
 * @param variant the idea, in a word
 * @param refuses why it cannot take what it is asked, or null
 * @param steps what it launches, in order
 */
record Recipe(String op, String variant, Refuses refuses, Steps steps) {

  /**
   * An application of an op: attributes and types.
   *
   * @param tuning of the device
   */
  record Asked(Op op, List<@Nullable TensorType> in, TensorType out, Tuning tuning) {
    TensorType type(int i) {
      return Objects.requireNonNull(in.get(i));
    }

    boolean has(int i) {
      return in.get(i) != null;
    }

    int size(int i, int dim) {
      return type(i).shape().size(dim);
    }
  }

  @FunctionalInterface
  interface Refuses {
    @Nullable
    String why(Asked asked, Found device);
  }

  @FunctionalInterface
  interface Steps {
    Work of(Asked asked);
  }

  /**
   * Launches, and the memory between them.
   *
   * @param scratch bytes that they share
   */
  record Work(List<Launch> launches, long scratch) {
    static Work of(Launch launch) {
      return new Work(List.of(launch), 0);
    }
  }

  static Recipe any(String op, String variant, Steps steps) {
    return new Recipe(op, variant, (_, _) -> null, steps);
  }
}
