package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.fovea.error.FileException;
import dev.fovea.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A linear map of which a checkpoint holds the parts that {@link Packing} describes. Its sizes and types were checked when it was found;
 * {@link #unpack} brings its numbers into the order of {@link DType#Q4_G128} without ever making floats of them.
 *
 * @param name what the map would be called were it not packed: {@code ….weight}
 * @param zeros absent for {@link Packing#AWQ_SYMMETRIC} alone
 * @param groups GPTQ's g_idx, or null
 * @param idleBias where a packer gave a map that has none a bias, which must be zeros; or null
 */
record PackedMap(
    String name,
    Packing packing,
    WeightTensor quants,
    @Nullable WeightTensor zeros,
    WeightTensor scales,
    @Nullable WeightTensor groups,
    @Nullable WeightTensor idleBias) {
  private static final String WEIGHT = ".weight";
  private static final int GROUP = 128;
  /** The output that nibble k of one of AWQ's words belongs to. */
  private static final int[] AWQ_ORDER = {0, 2, 4, 6, 1, 3, 5, 7};

  private static final int[] PLAIN_ORDER = {0, 1, 2, 3, 4, 5, 6, 7};
  /** Outputs worked on together: a cache line of words of each row. */
  private static final int TILE = 128;

  private static final ValueLayout.OfInt INT =
      JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /**
   * The map that would be called {@code name}, or null if its parts are not there.
   *
   * @param biased whether the model's map has a bias, which is then nothing to do with this
   * @throws FileException if there are some of its parts and not others, or they do not fit together
   */
  static @Nullable PackedMap find(
      String name, boolean biased, Packing packing, Map<String, WeightTensor> tensors) {
    if (!name.endsWith(WEIGHT)) {
      return null;
    }
    String stem = name.substring(0, name.length() - WEIGHT.length());
    WeightTensor quants = tensors.get(stem + ".qweight");
    if (quants == null) {
      return null;
    }
    WeightTensor zeros = tensors.get(stem + ".qzeros");
    WeightTensor scales = tensors.get(stem + ".scales");
    if (scales == null || (zeros == null && packing != Packing.AWQ_SYMMETRIC)) {
      throw new FileException(
          quants.file(),
          "tensor " + stem + (scales == null ? ".scales" : ".qzeros") + " is missing: "
              + quants.name() + " cannot be read without it");
    }
    PackedMap map = new PackedMap(
        name,
        packing,
        quants,
        zeros,
        scales,
        packing.isAwq() ? null : tensors.get(stem + ".g_idx"),
        biased ? null : tensors.get(stem + ".bias"));
    map.checkSizes();
    return map;
  }

  private void checkSizes() {
    checkType(quants, DType.I32);
    checkType(scales, DType.F16);
    if (quants.dims().size() != 2) {
      throw FileException.mismatch(quants.file(), quants.where() + ": sizes", "two", quants.dims());
    }
    long in = inputs();
    long out = outputs();
    if (in % GROUP != 0 || out % 8 != 0 || in > Integer.MAX_VALUE || out > Integer.MAX_VALUE) {
      throw FileException.mismatch(
          quants.file(),
          quants.where() + ": sizes",
          "inputs in groups of " + GROUP + " and outputs in eights",
          in + " inputs and " + out + " outputs");
    }
    checkDims(scales, in / GROUP, out);
    if (zeros != null) {
      checkType(zeros, DType.I32);
      checkDims(zeros, in / GROUP, out / 8);
    }
    if (groups != null) {
      checkType(groups, DType.I32);
      checkDims(groups, in);
    }
  }

  private void checkType(WeightTensor part, DType expected) {
    if (part.type().dtype() != expected) {
      throw FileException.mismatch(
          part.file(), part.where() + ": element type", expected.name(), part.type());
    }
  }

  private void checkDims(WeightTensor part, long... dims) {
    List<Long> expected = Arrays.stream(dims).boxed().toList();
    if (!part.dims().equals(expected)) {
      throw FileException.mismatch(
          part.file(),
          part.where() + ": sizes, next to " + quants.name() + quants.dims(),
          expected,
          part.dims());
    }
  }

  private long inputs() {
    return quants.dims().getFirst() * (packing.isAwq() ? 1 : 8);
  }

  private long outputs() {
    return quants.dims().getLast() * (packing.isAwq() ? 8 : 1);
  }

  /** What it is once it is unpacked. */
  TensorSpec spec() {
    return new TensorSpec(name, DType.Q4_G128, List.of(outputs(), inputs()));
  }

  /** The names of its parts. */
  List<String> parts() {
    return Stream.of(quants, zeros, scales, groups, idleBias)
        .filter(Objects::nonNull)
        .map(WeightTensor::name)
        .toList();
  }

  /**
   * Writes the map's rows.
   *
   * @param to as many bytes as {@link #spec} says
   * @throws FileException if the inputs are not grouped in their order, or there is a bias that is not zeros
   */
  void unpack(MemorySegment to) {
    checkGroups();
    checkBias();
    int tiles = Math.toIntExact((outputs() + TILE - 1) / TILE);
    IntStream.range(0, tiles).parallel().forEach(tile -> unpackTile(tile * TILE, to));
  }

  private void checkGroups() {
    if (groups == null) {
      return;
    }
    MemorySegment data = groups.data();
    for (long i = 0; i < inputs(); i++) {
      int found = data.get(INT, 4 * i);
      if (found != i / GROUP) {
        throw FileException.mismatch(
            groups.file(),
            groups.where() + ": group of input " + i + " (desc_act is not supported)",
            i / GROUP,
            found);
      }
    }
  }

  private void checkBias() {
    if (idleBias == null) {
      return;
    }
    MemorySegment data = idleBias.data();
    for (long i = 0; i < data.byteSize(); i++) {
      if (data.get(JAVA_BYTE, i) != 0) {
        throw FileException.mismatch(
            idleBias.file(),
            idleBias.where() + ": byte " + i,
            "0: this map has no bias",
            data.get(JAVA_BYTE, i) & 0xff);
      }
    }
  }

  /** Outputs {@code first} to {@code first + TILE}, or as many as there are. */
  private void unpackTile(int first, MemorySegment to) {
    int count = (int) Math.min(TILE, outputs() - first);
    int blockBytes = DType.Q4_G128.blockBytes();
    long rowBytes = DType.Q4_G128.bytes(inputs());
    byte[] blocks = new byte[count * blockBytes];
    MemorySegment all = MemorySegment.ofArray(blocks);
    for (int group = 0; group < inputs() / GROUP; group++) {
      heads(group, first, count, all);
      if (packing.isAwq()) {
        awq(group, first, count, blocks);
      } else {
        gptq(group, first, count, all);
      }
      for (int o = 0; o < count; o++) {
        MemorySegment.copy(
            all,
            (long) o * blockBytes,
            to,
            (first + o) * rowBytes + (long) group * blockBytes,
            blockBytes);
      }
    }
  }

  /** Scales and zero points. */
  private void heads(int group, int first, int count, MemorySegment blocks) {
    int[] order = packing.isAwq() ? AWQ_ORDER : PLAIN_ORDER;
    long at = group * outputs() + first;
    for (int o = 0; o < count; o++) {
      blocks.set(SHORT, o * 68L, scales.data().get(SHORT, 2 * (at + o)));
    }
    for (int o = 0; o < count; o += 8) {
      int word = zeros == null ? 0x88888888 : zeros.data().get(INT, (at + o) / 8 * 4);
      for (int k = 0; k < 8; k++) {
        int zero = packing.zero((word >>> (4 * k)) & 15);
        blocks.set(SHORT, (o + order[k]) * 68L + 2, (short) zero);
      }
    }
  }

  /**
   * A word holds eight outputs of one input. Those of inputs j and j + 16 of each 32 make the two halves of eight bytes: four from the
   * words' even nibbles, four from their odd ones.
   */
  private void awq(int group, int first, int count, byte[] blocks) {
    MemorySegment words = quants.data();
    long rowBytes = outputs() / 2;
    for (int i = 0; i < GROUP / 2; i++) {
      long low = (group * (long) GROUP + i / 16 * 32L + i % 16) * rowBytes + first / 2;
      long high = low + 16 * rowBytes;
      for (int o = 0; o < count; o += 8) {
        int a = words.get(INT, low + o / 2);
        int b = words.get(INT, high + o / 2);
        int even = (a & 0x0f0f0f0f) | ((b & 0x0f0f0f0f) << 4);
        int odd = ((a >>> 4) & 0x0f0f0f0f) | (b & 0xf0f0f0f0);
        int at = o * 68 + 4 + i;
        for (int k = 0; k < 8; k += 2) {
          blocks[at + AWQ_ORDER[k] * 68] = (byte) (even >>> (4 * k));
          blocks[at + AWQ_ORDER[k + 1] * 68] = (byte) (odd >>> (4 * k));
        }
      }
    }
  }

  /** A word holds eight inputs of one output: the low or the high halves of eight bytes side by side. */
  private void gptq(int group, int first, int count, MemorySegment blocks) {
    MemorySegment words = quants.data();
    long rowBytes = outputs() * 4;
    for (int i = 0; i < GROUP / 16; i++) {
      long low = (group * (GROUP / 8L) + i / 2 * 4L + i % 2) * rowBytes + first * 4L;
      long high = low + 2 * rowBytes;
      for (int o = 0; o < count; o++) {
        int a = words.get(INT, low + o * 4L);
        int b = words.get(INT, high + o * 4L);
        long eight = Long.expand(a & 0xffffffffL, 0x0f0f0f0f0f0f0f0fL)
            | Long.expand(b & 0xffffffffL, 0xf0f0f0f0f0f0f0f0L);
        blocks.set(LONG, o * 68L + 4 + i * 8L, eight);
      }
    }
  }
}
