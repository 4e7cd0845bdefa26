package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import dev.fovea.program.Node;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The file read back after its description: every case, its numbers where the tensors are said to lie, and the definition's results. */
class CaseFileTest {

  @Test
  void holdsEverySmallCaseOfEveryOp(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("cases");
    int count = CaseFile.write(file, Ops.all());
    ByteBuffer in;
    try (FileChannel channel = FileChannel.open(file)) {
      in = channel
          .map(FileChannel.MapMode.READ_ONLY, 0, channel.size())
          .order(ByteOrder.LITTLE_ENDIAN);
    }
    assertEquals(CaseFile.MAGIC, text(in, 8));
    int read = 0;
    for (Op op : Ops.all()) {
      for (Case c : op.cases()) {
        if (c.real()) {
          continue;
        }
        try (Arena arena = Arena.ofConfined()) {
          CaseData data = new CaseData(c, arena);
          for (Arrangement arrangement : Arrangement.of(data)) {
            String where = op.name() + " " + c.name() + " (" + arrangement.name + ")";
            assertEquals(op.name(), text(in, in.getInt()), where);
            assertEquals(Node.signature(c.in(), data.outType), text(in, in.getInt()), where);
            assertEquals(c.name() + " (" + arrangement.name + ")", text(in, in.getInt()));
            one(in, data, where);
            read++;
          }
        }
      }
    }
    assertEquals(0, in.getInt());
    assertEquals(read, in.getInt());
    assertEquals(read, count);
    assertFalse(in.hasRemaining());
  }

  private static void one(ByteBuffer in, CaseData data, String where) {
    int tensors = in.getInt();
    assertEquals(data.inputs.size() + 1, tensors, where);
    long[] offsets = new long[tensors];
    for (int i = 0; i < tensors; i++) {
      TensorType type = i == tensors - 1 ? data.outType : data.source.in().get(i);
      int dtype = in.getInt();
      if (type == null) {
        assertEquals(-1, dtype, where);
        continue;
      }
      assertEquals(type.dtype().code(), dtype, where);
      int rank = in.getInt();
      assertEquals(type.shape().rank(), rank, where);
      for (int d = 0; d < 4; d++) {
        assertEquals(d < rank ? type.shape().size(d) : 1, in.getInt(), where);
      }
      offsets[i] = in.getLong();
      int live = in.getInt();
      int rows = type.shape().size(0);
      assertEquals(
          Rows.live(type, data.live).shape().size(0), live < 0 ? rows : live, where + ": rows");
    }
    assertEquals(data.source.op().attributes().size(), in.getInt(), where);
    for (Number n : data.source.op().attributes()) {
      assertEquals(n, n instanceof Double ? (Number) in.getDouble() : (Number) in.getLong(), where);
    }
    int bytes = Math.toIntExact(in.getLong());
    MemorySegment memory = MemorySegment.ofBuffer(in.slice(in.position(), bytes));
    in.position(in.position() + bytes);
    for (int i = 0; i < data.inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      if (t != null) {
        long n = Rows.live(t.type(), data.live).bytes();
        assertEquals(
            -1,
            memory.asSlice(offsets[i], n).mismatch(t.data().asSlice(0, n)),
            where + ": input " + i);
      }
    }
    List<Integer> writes = data.source.op().writes();
    assertEquals(1 + writes.size(), in.getInt(), where);
    written(in, data.outType, offsets[tensors - 1], data.expected, where);
    for (int n = 0; n < writes.size(); n++) {
      int i = writes.get(n);
      TensorType type = data.source.in().get(i);
      assertTrue(type != null, where);
      written(in, type, offsets[i], data.expected.written().get(n), where);
    }
  }

  private static void written(
      ByteBuffer in, TensorType type, long offset, Definition expected, String where) {
    assertEquals(type.dtype().code(), in.getInt(), where);
    assertEquals(offset, in.getLong(), where);
    assertEquals(type.bytes(), in.getLong(), where);
    assertEquals(expected.values().length, in.getInt(), where);
    for (int i = 0; i < expected.values().length; i++) {
      assertEquals(expected.values()[i], in.getDouble(), where);
      assertEquals(expected.bounds()[i], in.getDouble(), where);
    }
  }

  @Test
  void saysWhichFileItCannotWrite(@TempDir Path folder) {
    Path file = folder.resolve("absent/cases");
    FileException e = assertThrows(
        FileException.class, () -> CaseFile.write(file, List.of(Ops.all().get(0))));
    assertTrue(
        String.valueOf(e.getMessage()).startsWith(file + ": cannot be written"), e::toString);
  }

  private static String text(ByteBuffer in, int length) {
    byte[] bytes = new byte[length];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
