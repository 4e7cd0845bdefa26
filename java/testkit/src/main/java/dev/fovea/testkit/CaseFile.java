package dev.fovea.testkit;

import dev.fovea.error.FileException;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The harness's cases as a file, with what the definitions make of them, for machines that run kernels but no Java: {@code
 * native/test/replay.cpp} holds a library to it. All numbers are little-endian:
 *
 * <pre>
 *   "fovcase1"
 *   per case and arrangement of memory:
 *     op, signature, name       each i32 length, UTF-8
 *     i32 tensors               inputs, then the output
 *       i32 dtype (−1: absent, nothing follows), i32 rank, 4 × i32 size, i64 offset in memory,
 *       i32 rows that count (−1: all always do)
 *     i32 attributes            8 bytes each, as in the ABI's structs
 *     i64 bytes of memory, memory before the run
 *     i32 written tensors
 *       i32 dtype, i64 offset in memory, i64 bytes, i32 elements that the definition speaks of,
 *       per element f64 value, f64 error allowed (−1: not written)
 *   i32 0, i32 number of the above
 * </pre>
 */
public final class CaseFile {
  static final String MAGIC = "fovcase1";

  private final OutputStream to;
  private int count;

  private CaseFile(OutputStream to) {
    this.to = to;
  }

  /**
   * Writes the cases of some ops, but for those as large as real models make them.
   *
   * @return how many, each arrangement for itself
   * @throws FileException if the file cannot be written
   */
  public static int write(Path file, List<Op> ops) {
    try (OutputStream to = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
      to.write(MAGIC.getBytes(StandardCharsets.US_ASCII));
      CaseFile cases = new CaseFile(to);
      for (Op op : ops) {
        for (Case c : op.cases()) {
          if (!c.real()) {
            cases.add(c);
          }
        }
      }
      cases.put(buffer(8).putInt(0).putInt(cases.count));
      return cases.count;
    } catch (IOException e) {
      throw new FileException(file, "cannot be written: " + e.getMessage(), e);
    }
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void put(ByteBuffer full) throws IOException {
    byte[] bytes = new byte[full.flip().remaining()];
    full.get(bytes);
    to.write(bytes);
  }

  private void add(Case c) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      CaseData data = new CaseData(c, arena);
      for (Arrangement arrangement : Arrangement.of(data)) {
        add(data, arrangement, arrangement.onePiece(arena));
        count++;
      }
    }
  }

  private void add(CaseData data, Arrangement arrangement, Arrangement.OnePiece place)
      throws IOException {
    Op op = data.source.op();
    text(op.name());
    text(Node.signature(data.source.in(), data.outType));
    text(data.source.name() + " (" + arrangement.name + ")");
    number(data.inputs.size() + 1);
    for (int i = 0; i < data.inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      tensor(t == null ? null : t.type(), place.inputs().get(i), data.source.live());
    }
    tensor(data.outType, place.out(), data.source.live());
    number(op.attributes().size());
    for (Number n : op.attributes()) {
      long bits = n instanceof Double d ? Double.doubleToRawLongBits(d) : n.longValue();
      put(buffer(8).putLong(bits));
    }
    MemorySegment memory = place.memory();
    put(buffer(8).putLong(memory.byteSize()));
    to.write(memory.toArray(ValueLayout.JAVA_BYTE));
    number(1 + op.writes().size());
    written(data.outType, place.out(), data.expected);
    for (int n = 0; n < op.writes().size(); n++) {
      int input = op.writes().get(n);
      TensorType type = data.source.in().get(input);
      if (type == null) {
        throw new IllegalStateException(op.name() + " writes an input that is absent");
      }
      written(type, place.inputs().get(input), data.expected.written().get(n));
    }
  }

  private void tensor(@Nullable TensorType type, long offset, int live) throws IOException {
    if (type == null) {
      number(-1);
      return;
    }
    ByteBuffer b = buffer(36).putInt(type.dtype().code()).putInt(type.shape().rank());
    for (int d = 0; d < 4; d++) {
      b.putInt(d < type.shape().rank() ? type.shape().size(d) : 1);
    }
    boolean counted = type.shape().axis(0) == Axis.T || type.shape().axis(0) == Axis.R;
    put(b.putLong(offset).putInt(counted ? Math.min(live, type.shape().size(0)) : -1));
  }

  private void written(TensorType type, long offset, Definition expected) throws IOException {
    double[] values = expected.values();
    ByteBuffer b = buffer(24 + 16 * values.length)
        .putInt(type.dtype().code())
        .putLong(offset)
        .putLong(type.bytes())
        .putInt(values.length);
    for (int i = 0; i < values.length; i++) {
      b.putDouble(values[i]).putDouble(expected.bounds()[i]);
    }
    put(b);
  }

  private void text(String s) throws IOException {
    byte[] bytes = s.getBytes(StandardCharsets.UTF_8);
    number(bytes.length);
    to.write(bytes);
  }

  private void number(int n) throws IOException {
    put(buffer(4).putInt(n));
  }
}
