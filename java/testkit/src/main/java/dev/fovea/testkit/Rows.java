package dev.fovea.testkit;

import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Tensors whose leading axis counts only up to some row. */
final class Rows {
  private Rows() {}

  /** The type cut to its live rows, at least one. */
  static TensorType live(TensorType type, Map<Axis, Integer> live) {
    Shape s = type.shape();
    int rows = Math.clamp(live.getOrDefault(s.axis(0), s.size(0)), 1, s.size(0));
    List<Integer> sizes = new ArrayList<>(s.sizes());
    sizes.set(0, rows);
    return new TensorType(type.dtype(), new Shape(s.axes(), sizes));
  }

  /** The first elements of {@code memory} as numbers, as many as {@code type} has. */
  static double[] decode(TensorType type, MemorySegment memory) {
    double[] x = new double[Math.toIntExact(type.shape().elements())];
    for (int i = 0; i < x.length; i++) {
      x[i] = Blocks.get(type.dtype(), memory, i);
    }
    return x;
  }
}
