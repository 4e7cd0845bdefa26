package dev.fovea.binding;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.op.Op;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Writes an op's argument struct: its tensors, 40 bytes each, inputs then output, then its attributes, 8 bytes each. This is all Java
 * knows about the structs of the ABI.
 */
public final class Args {
  private static final int TENSOR_BYTES = 40;

  private Args() {}

  /** Size of an op's struct. */
  public static long bytes(Op op) {
    return (long) TENSOR_BYTES * (op.inputs().size() + 1) + 8L * op.attributes().size();
  }

  /** Types and attributes only, all addresses null but marked present: enough to ask whether a kernel takes them. */
  public static void describe(
      MemorySegment args, Op op, List<@Nullable TensorType> in, TensorType out) {
    for (int i = 0; i < in.size(); i++) {
      TensorType t = in.get(i);
      if (t != null) {
        tensor(args, i, t, 64, 0);
      }
    }
    tensor(args, in.size(), out, 64, 0);
    attributes(args, op);
  }

  /**
   * The tensor at that place among inputs and output.
   *
   * @param address of its first element; 0 where it is absent
   * @param live address of the number of rows that count; 0 if all do
   */
  public static void tensor(
      MemorySegment args, int index, TensorType type, long address, long live) {
    long at = (long) index * TENSOR_BYTES;
    Shape shape = type.shape();
    args.set(JAVA_LONG, at, address);
    args.set(JAVA_LONG, at + 8, live);
    args.set(JAVA_INT, at + 16, type.dtype().code());
    args.set(JAVA_INT, at + 20, shape.rank());
    for (int d = 0; d < 4; d++) {
      args.set(JAVA_INT, at + 24 + 4L * d, d < shape.rank() ? shape.size(d) : 1);
    }
  }

  /** The op's own numbers, behind the tensors. */
  public static void attributes(MemorySegment args, Op op) {
    long at = (long) TENSOR_BYTES * (op.inputs().size() + 1);
    for (Number n : op.attributes()) {
      if (n instanceof Double d) {
        args.set(JAVA_DOUBLE, at, d);
      } else {
        args.set(JAVA_LONG, at, n.longValue());
      }
      at += 8;
    }
  }
}
