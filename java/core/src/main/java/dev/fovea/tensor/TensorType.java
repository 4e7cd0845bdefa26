package dev.fovea.tensor;

/** What a tensor is without its numbers. */
public record TensorType(DType dtype, Shape shape) {

  public static TensorType f32(Shape shape) {
    return new TensorType(DType.F32, shape);
  }

  public static TensorType i32(Shape shape) {
    return new TensorType(DType.I32, shape);
  }

  /** Bytes of the whole tensor; the fastest axis must be a whole number of blocks. */
  public long bytes() {
    return dtype.bytes(shape.size(-1)) * (shape.elements() / shape.size(-1));
  }

  @Override
  public String toString() {
    return dtype.label() + shape;
  }
}
