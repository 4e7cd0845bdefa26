package dev.fovea.model.text;

import java.util.Arrays;

/** A growing list of token ids. */
final class IntBuffer {
  private int[] values;
  private int size;

  IntBuffer(int capacity) {
    values = new int[Math.max(capacity, 8)];
  }

  void add(int value) {
    if (size == values.length) {
      values = Arrays.copyOf(values, size * 2);
    }
    values[size++] = value;
  }

  int size() {
    return size;
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}
