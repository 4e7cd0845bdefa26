package dev.fovea.tensor;

import dev.fovea.error.InputException;
import java.util.Arrays;
import java.util.List;

/**
 * Named sizes, slowest first: {@code [T=1,H=32,Dh=128]}. Rows are contiguous; there are no strides.
 *
 * @param axes the names, as many as sizes, at most four
 * @param sizes each at least 1
 */
public record Shape(List<Axis> axes, List<Integer> sizes) {

  public Shape {
    axes = List.copyOf(axes);
    sizes = List.copyOf(sizes);
    if (axes.size() != sizes.size() || axes.isEmpty() || axes.size() > 4) {
      throw new InputException(
          "a shape has 1 to 4 axes with a size each, found " + axes + " and " + sizes);
    }
    long n = 1;
    for (int s : sizes) {
      if (s < 1) {
        throw new InputException("axis sizes are at least 1, found " + axes + sizes);
      }
      n = Math.multiplyExact(n, (long) s);
    }
  }

  public static Shape of(Axis a, int n) {
    return new Shape(List.of(a), List.of(n));
  }

  public static Shape of(Axis a, int n, Axis b, int m) {
    return new Shape(List.of(a, b), List.of(n, m));
  }

  public static Shape of(Axis a, int n, Axis b, int m, Axis c, int k) {
    return new Shape(List.of(a, b, c), List.of(n, m, k));
  }

  public static Shape of(Axis a, int n, Axis b, int m, Axis c, int k, Axis d, int l) {
    return new Shape(List.of(a, b, c, d), List.of(n, m, k, l));
  }

  public int rank() {
    return sizes.size();
  }

  /** Size of the i-th axis, counted from the slowest; negative i counts from the fastest, −1 being the last. */
  public int size(int i) {
    return sizes.get(i < 0 ? rank() + i : i);
  }

  public Axis axis(int i) {
    return axes.get(i < 0 ? rank() + i : i);
  }

  /** Size of the axis of that name. */
  public int dim(Axis axis) {
    int i = axes.indexOf(axis);
    if (i < 0) {
      throw new InputException("no axis " + axis + " in " + this);
    }
    return sizes.get(i);
  }

  public long elements() {
    long n = 1;
    for (int s : sizes) {
      n *= s;
    }
    return n;
  }

  /** Elements of everything behind the first axis: the width of one row of the slowest axis. */
  public long rowElements() {
    return elements() / size(0);
  }

  public int[] toArray() {
    return sizes.stream().mapToInt(Integer::intValue).toArray();
  }

  @Override
  public String toString() {
    StringBuilder s = new StringBuilder("[");
    for (int i = 0; i < rank(); i++) {
      s.append(i == 0 ? "" : ",").append(axes.get(i)).append('=').append(sizes.get(i));
    }
    return s.append(']').toString();
  }

  /** Whether the sizes agree, whatever the names. */
  public boolean sameSizes(Shape other) {
    return Arrays.equals(toArray(), other.toArray());
  }
}
