package dev.fovea.weights;

import dev.fovea.error.FileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** The checks that both formats make on what a header says. */
final class Layout {

  private Layout() {}

  /**
   * Bytes that a tensor of these sizes takes.
   *
   * @throws FileException if the sizes overflow, or the fastest axis is not a whole number of blocks
   */
  static long bytes(Path file, String where, StoredType type, List<Long> dims) {
    long elements = 1;
    try {
      for (long d : dims) {
        elements = Math.multiplyExact(elements, d);
      }
      long row = dims.isEmpty() ? 1 : dims.getLast();
      if (row % type.blockSize() != 0) {
        throw FileException.mismatch(
            file,
            where,
            "rows of whole blocks of " + type.blockSize() + " for " + type,
            row + " elements a row");
      }
      return Math.multiplyExact(elements / type.blockSize(), (long) type.blockBytes());
    } catch (ArithmeticException e) {
      throw new FileException(file, where + ": sizes " + dims + " overflow", e);
    }
  }

  /** Refuses two tensors that share a byte. */
  static void checkDisjoint(Path file, Collection<WeightTensor> tensors) {
    List<WeightTensor> byOffset = tensors.stream()
        .filter(t -> t.bytes() > 0)
        .sorted(Comparator.comparingLong(WeightTensor::offset))
        .toList();
    for (int i = 1; i < byOffset.size(); i++) {
      WeightTensor a = byOffset.get(i - 1);
      WeightTensor b = byOffset.get(i);
      if (b.offset() < a.offset() + a.bytes()) {
        throw new FileException(
            file,
            b.where() + " overlaps tensor " + a.name() + ", which ends at byte "
                + (a.offset() + a.bytes()));
      }
    }
  }
}
