package dev.fovea.weights;

import static dev.fovea.weights.HostileFiles.gguf;
import static dev.fovea.weights.HostileFiles.safetensors;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Valid files, damaged at random: cut, with bytes changed, and with lengths replaced by lies. */
class MutatedFilesTest {
  private static final int ROUNDS = 20_000;
  private static final long[] LIES = {
    0,
    1,
    -1,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    1L << 31,
    (1L << 31) - 1,
    1L << 32,
    1L << 62,
    0x7fffffff_7fffffffL
  };

  static List<byte[]> safetensorsSeeds() {
    return List.of(
        safetensors("{}", 0),
        safetensors(
            "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                + "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]}}",
            20));
  }

  static List<byte[]> ggufSeeds() {
    return List.of(
        gguf(3, 0, 0).bytes(),
        gguf(2, 2, 3)
            .text("general.alignment")
            .u32(4)
            .u32(64)
            .text("texts")
            .u32(9)
            .u32(8)
            .u64(2)
            .text("▁a")
            .text("")
            .text("real")
            .u32(12)
            .u64(Double.doubleToLongBits(1e-5))
            .tensor("a", 0, 0, 3, 2)
            .tensor("b", 2, 64, 32, 2)
            .data(200)
            .bytes());
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2})
  void safetensorsAreListedOrRefused(long seed) {
    mutate(seed, safetensorsSeeds(), true);
  }

  @ParameterizedTest
  @ValueSource(longs = {3, 4})
  void ggufIsListedOrRefused(long seed) {
    mutate(seed, ggufSeeds(), false);
  }

  private static void mutate(long seed, List<byte[]> files, boolean safetensors) {
    Random random = new Random(seed);
    int listed = 0;
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] bytes = damaged(files.get(round % files.size()), random);
      try {
        if (safetensors) {
          ReaderFuzzTest.safetensors(bytes);
        } else {
          ReaderFuzzTest.gguf(bytes);
        }
        listed++;
      } catch (FileException e) {
        refused++;
      } catch (RuntimeException | AssertionError | StackOverflowError | OutOfMemoryError e) {
        throw new AssertionError(
            "seed " + seed + " round " + round + ": " + Arrays.toString(bytes), e);
      }
    }
    assertTrue(
        listed > 100 && refused > ROUNDS / 2,
        listed + " listed, " + refused + " refused, seed " + seed);
  }

  private static byte[] damaged(byte[] file, Random random) {
    byte[] bytes = file.clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(4)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> {
          long lie = LIES[random.nextInt(LIES.length)];
          for (int b = 0; b < 8 && at + b < bytes.length; b++) {
            bytes[at + b] = (byte) (lie >>> (8 * b));
          }
        }
        default ->
          bytes = Arrays.copyOf(bytes, Math.max(1, random.nextBoolean() ? at : bytes.length + at));
      }
    }
    return bytes;
  }
}
