package dev.fovea.tensor;

import dev.fovea.error.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Numbers in host memory: a type and the off-heap (or mapped) bytes behind it, row-major, without gaps. Reading and writing single
 * elements goes through double and is meant for references, tests and tools; kernels use {@link #data()}.
 *
 * @param type element type and shape
 * @param data exactly {@code type.bytes()} bytes
 */
public record Tensor(TensorType type, MemorySegment data) {

  public Tensor {
    if (data.byteSize() != type.bytes()) {
      throw new InputException(
          type + " takes " + type.bytes() + " bytes, the memory given has " + data.byteSize());
    }
  }

  /** A zeroed tensor, aligned to a cache line. */
  public static Tensor allocate(Arena arena, TensorType type) {
    return new Tensor(type, arena.allocate(type.bytes(), 64));
  }

  public static Tensor allocate(Arena arena, DType dtype, Shape shape) {
    return allocate(arena, new TensorType(dtype, shape));
  }

  public static Tensor of(Arena arena, Shape shape, float... values) {
    Tensor t = allocate(arena, DType.F32, shape);
    for (int i = 0; i < values.length; i++) {
      t.set(i, values[i]);
    }
    return t;
  }

  public static Tensor of(Arena arena, Shape shape, int[] values) {
    Tensor t = allocate(arena, DType.I32, shape);
    for (int i = 0; i < values.length; i++) {
      t.set(i, values[i]);
    }
    return t;
  }

  public DType dtype() {
    return type.dtype();
  }

  public Shape shape() {
    return type.shape();
  }

  public long elements() {
    return type.shape().elements();
  }

  /** Element at a row-major position, dequantized where needed. Exact for every type. */
  public double get(long i) {
    return Blocks.get(type.dtype(), data, i);
  }

  /** Writes one element, rounding to nearest even; quantized types are written by {@link Blocks#quantize} only. */
  public void set(long i, double value) {
    Blocks.set(type.dtype(), data, i, value);
  }

  public int getInt(long i) {
    return (int) get(i);
  }

  public double get(long i, long j) {
    return get(i * shape().size(-1) + j);
  }

  /** All elements as float, dequantized. Small tensors only. */
  public float[] toFloats() {
    float[] f = new float[Math.toIntExact(elements())];
    for (int i = 0; i < f.length; i++) {
      f[i] = (float) get(i);
    }
    return f;
  }
}
