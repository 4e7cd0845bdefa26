package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.refusal;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class HeadRowsTest {

  /** llama.cpp's converter stores reshape(heads, 2, width/2, in).swapaxes(1, 2): written here as those index loops. */
  @Test
  void followsTheConvertersReshape() {
    int heads = 3;
    int half = 4;
    int row = 0;
    for (int h = 0; h < heads; h++) {
      for (int j = 0; j < half; j++) {
        for (int s = 0; s < 2; s++) {
          long original = (h * 2L + s) * half + j;
          assertEquals(original, HeadRows.toHalves(row, 2L * half));
          assertEquals(row, HeadRows.toPairs(original, 2L * half));
          row++;
        }
      }
    }
  }

  @Test
  void rowsMoveWhole() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(8 * 18);
      for (int i = 0; i < 8 * 18; i++) {
        data.set(JAVA_BYTE, i, (byte) (i / 18 * 16 + i % 18 % 16));
      }
      WeightTensor t =
          new WeightTensor("q", StoredType.of(DType.Q4_0), List.of(8L, 32L), Path.of("f"), 0, data);
      MemorySegment to = arena.allocate(8 * 18);
      HeadRows.copyToHalves(t, 2, to);
      int[] source = {0, 2, 1, 3, 4, 6, 5, 7};
      for (int row = 0; row < 8; row++) {
        assertEquals(
            -1,
            data.asSlice(source[row] * 18L, 18).mismatch(to.asSlice(row * 18L, 18)),
            "row " + row);
      }
      String message = refusal(FileException.class, () -> HeadRows.copyToHalves(t, 3, to));
      assertTrue(message.contains("rows for 3 heads of even width, found 8 rows"), message);
    }
  }
}
