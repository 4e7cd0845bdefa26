package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Sampling;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.cuda.EmulatedBackend;
import dev.fovea.cuda.Switches;
import dev.fovea.error.BackendException;
import dev.fovea.golden.TinyModel;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A decode step whose layers are one launch says what a launch an op says, to the bit: from the first position on, across the edges of
 * pages, where a row's keys are several blocks' work, and after a reset; for one sequence and for two at once. On the emulated device.
 */
class PersistentStepsTest {
  /** Heads as wide as the persistent kernel wants them. */
  private static final ModelConfig CONFIG = new ModelConfig(
      TinyModel.CONFIG.vision(),
      TinyModel.CONFIG.projector(),
      new DecoderConfig(128, 96, 2, 2, 2, 64, 96, 128, 1e-5, 1e4, 1, false));

  private static final int VOCABULARY = 96;
  private static final int CONTEXT = 68; // the keys of positions from 64 on are two parts
  private static final int PAGE = 16;
  private static final int BACK = 34; // how far the answers from later positions go

  @SuppressWarnings("ArrayRecordComponent") // compared with assertArrayEquals
  private record Written(List<Integer> tokens, float[][] logits) {}

  private static Switches switches(boolean graphs, boolean persistent) {
    return new Switches(graphs, true, Switches.Cublas.FALSE, persistent);
  }

  /** Writes on from a prompt of so many words up to a position. */
  private static Written write(Generator generator, int words, int to, Sampling sampling) {
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < words; i++) {
      ids.add((3 + 7 * i) % VOCABULARY);
    }
    float[][] logits = new float[CONTEXT][];
    List<Integer> tokens = new ArrayList<>();
    try (Decoding d = generator.begin(new Prompt(ids, List.of()), sampling, CONTEXT)) {
      d.trace((position, row) -> logits[position] = row(row));
      assertTrue(d.prefill(() -> false));
      while (tokens.size() < to - words) {
        tokens.add(d.next());
      }
    }
    return new Written(tokens, Arrays.copyOf(logits, to - 1)); // the last is not read
  }

  private static float[] row(MemorySegment logits) {
    float[] copy = new float[VOCABULARY];
    MemorySegment.copy(logits, JAVA_FLOAT, 0, copy, 0, VOCABULARY);
    return copy;
  }

  private static List<Written> series(DType type, DType cache, Switches switches) {
    try (Arena arena = Arena.ofShared();
        Device device = EmulatedBackend.open(DeviceOptions.DEFAULT, switches);
        Generator generator = new Generator(
            device,
            CONFIG,
            TinyModel.parameters(arena, type),
            new Runner.Sizes(CONTEXT, 8, PAGE, cache, PAGE, PAGE, VOCABULARY))) {
      Sampling drawn = new Sampling(0.9, 0, 0.95, 0, 1.2, 11);
      List<Written> all = new ArrayList<>();
      all.add(write(generator, 1, BACK, drawn));
      for (int words : new int[] {31, 33, 63}) {
        generator.forget();
        all.add(write(generator, words, Math.min(words + 4, CONTEXT), Sampling.GREEDY));
      }
      generator.forget();
      assertEquals(
          all.getFirst().tokens().subList(0, 3),
          write(generator, 1, 4, drawn).tokens(),
          "after a reset with " + switches);
      return all;
    }
  }

  @ParameterizedTest
  @CsvSource({"q4_0, f16", "q8_0, f32"})
  void oneLaunchIsManyBitForBit(String type, String cache) {
    DType weights = DType.parse(type);
    DType kv = DType.parse(cache);
    List<Written> together = series(weights, kv, switches(true, true));
    float[][] logits = together.getFirst().logits();
    assertFalse(Arrays.equals(logits[31], logits[32]), "every position says the same");
    List<Written> apart = series(weights, kv, switches(false, false));
    for (int i = 0; i < apart.size(); i++) {
      same(apart.get(i), together.get(i), "answer " + i);
    }
  }

  @ParameterizedTest
  @CsvSource({"2, f16", "2, f32"})
  void severalSequencesBitForBit(int sequences, String cache) {
    List<List<int[]>> all = new ArrayList<>();
    List<Long> launches = new ArrayList<>();
    for (boolean persistent : new boolean[] {false, true}) {
      try (Arena arena = Arena.ofShared();
          Device device = EmulatedBackend.open(DeviceOptions.DEFAULT, switches(true, persistent));
          Generator generator = new Generator(
              device,
              CONFIG,
              TinyModel.parameters(arena, DType.Q4_0),
              new Runner.Sizes(CONTEXT, 8, PAGE, DType.parse(cache), PAGE, PAGE, VOCABULARY));
          Steps steps = generator.runner().steps(sequences, CONTEXT)) {
        List<int[]> tokens = new ArrayList<>();
        long before = EmulatedBackend.launches();
        for (int depth : new int[] {0, 15, 31, 33, 63}) {
          steps.run(depth, 2);
          tokens.add(steps.tokens());
        }
        launches.add((EmulatedBackend.launches() - before) / (2L * tokens.size()));
        all.add(tokens);
      }
    }
    for (int i = 0; i < all.getFirst().size(); i++) {
      assertArrayEquals(all.get(0).get(i), all.get(1).get(i), "depth " + i);
    }
    int layers = CONFIG.decoder().layers();
    // The layers, the norm and the head become one.
    assertEquals(launches.get(0) - (5L * layers + 2) + 1, launches.get(1));
  }

  @Test
  void olderDevicesSayWhyNot() {
    DeviceOptions options = new DeviceOptions(0, "80");
    BackendException e = assertThrows(
        BackendException.class,
        () -> EmulatedBackend.open(options, switches(true, true)).close());
    assertEquals(
        "no persistent kernel (-Dfovea.cuda.persistent=true): it needs compute capability 9.0",
        e.getMessage());
  }

  private static void same(Written expected, Written found, String what) {
    assertEquals(expected.tokens(), found.tokens(), what);
    for (int i = 0; i < expected.logits().length; i++) {
      assertArrayEquals(expected.logits()[i], found.logits()[i], what + ", position " + i);
    }
  }
}
