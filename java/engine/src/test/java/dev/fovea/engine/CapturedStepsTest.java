package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Sampling;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.cuda.EmulatedBackend;
import dev.fovea.cuda.Switches;
import dev.fovea.golden.TinyModel;
import dev.fovea.model.ModelConfig;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A graph that is recorded once and replayed says what launching every step says, to the bit: at every position from the first to the
 * context's end, across the edges of pages, after a reset, and whether or not a kernel may start before its predecessor has ended. On
 * the emulated device.
 */
class CapturedStepsTest {
  private static final ModelConfig CONFIG = TinyModel.CONFIG;
  private static final int VOCABULARY = CONFIG.decoder().vocabulary();
  private static final int CONTEXT = 36;
  private static final int PAGE = 16; // edges at 16 and 32

  @SuppressWarnings("ArrayRecordComponent") // compared with assertArrayEquals
  private record Written(List<Integer> tokens, float[][] logits) {}

  /** Writes on from a prompt of so many words until the context is full. */
  private static Written write(Generator generator, int words, Sampling sampling) {
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < words; i++) {
      ids.add((3 + 7 * i) % VOCABULARY);
    }
    float[][] logits = new float[CONTEXT][];
    List<Integer> tokens = new ArrayList<>();
    try (Decoding d = generator.begin(new Prompt(ids, List.of()), sampling, CONTEXT)) {
      d.trace((position, row) -> logits[position] = row(row));
      assertTrue(d.prefill(() -> false));
      while (d.hasRoom()) {
        tokens.add(d.next());
      }
    }
    assertEquals(CONTEXT - words, tokens.size());
    return new Written(tokens, Arrays.copyOf(logits, CONTEXT - 1)); // the last is not read
  }

  private static float[] row(MemorySegment logits) {
    float[] copy = new float[VOCABULARY];
    MemorySegment.copy(logits, JAVA_FLOAT, 0, copy, 0, VOCABULARY);
    return copy;
  }

  /** From a prompt of one word; then, everything forgotten, from prompts that end beside a page's edge. */
  private static List<Written> series(String type, Switches switches) {
    try (Arena arena = Arena.ofShared();
        Device device = EmulatedBackend.open(DeviceOptions.DEFAULT, switches);
        Generator generator = new Generator(
            device,
            CONFIG,
            TinyModel.parameters(arena, DType.parse(type)),
            new Runner.Sizes(CONTEXT, 8, PAGE, DType.F16, PAGE, PAGE, VOCABULARY))) {
      Sampling drawn = new Sampling(0.9, 0, 0.95, 0, 1.2, 11);
      List<Written> all = new ArrayList<>();
      all.add(write(generator, 1, drawn));
      for (int words : new int[] {31, 33}) {
        generator.forget();
        all.add(write(generator, words, Sampling.GREEDY));
      }
      if (switches.graphs() && switches.overlap()) {
        generator.forget();
        same(all.getFirst(), write(generator, 1, drawn), "after a reset");
      }
      return all;
    }
  }

  @ParameterizedTest
  @CsvSource({"q4_0, FALSE", "f16, FALSE", "f16, TRUE"})
  void replayedIsLaunchedBitForBit(String type, Switches.Cublas cublas) {
    List<Written> replayed = series(type, new Switches(true, true, cublas));
    float[][] logits = replayed.get(0).logits();
    assertFalse(Arrays.equals(logits[31], logits[32]), "every position says the same");
    for (boolean[] other : new boolean[][] {{false, true}, {true, false}}) {
      Switches switches = new Switches(other[0], other[1], cublas);
      List<Written> found = series(type, switches);
      for (int i = 0; i < found.size(); i++) {
        same(replayed.get(i), found.get(i), "answer " + i + " with " + switches);
      }
    }
  }

  private static void same(Written expected, Written found, String what) {
    assertEquals(expected.tokens(), found.tokens(), what);
    for (int i = 0; i < CONTEXT - 1; i++) {
      assertArrayEquals(expected.logits()[i], found.logits()[i], what + ", position " + i);
    }
  }

  /** Three answers at once, who leave one after the other: the programs for four rows, for two, for one. */
  private static List<Written> together(String type, Switches switches) {
    try (Arena arena = Arena.ofShared();
        Device device = EmulatedBackend.open(DeviceOptions.DEFAULT, switches);
        Generator generator = new Generator(
            device,
            CONFIG,
            TinyModel.parameters(arena, DType.parse(type)),
            new Runner.Sizes(CONTEXT, 12, PAGE, DType.F16, PAGE, PAGE, VOCABULARY, 4))) {
      Map<Decoding, Written> open = new LinkedHashMap<>();
      for (int words : new int[] {33, 15, 24}) {
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < words; i++) {
          ids.add((words + 7 * i) % VOCABULARY);
        }
        Sampling sampling = new Sampling(0.02 * words, 0, 0.95, 0, 1.2, words);
        Decoding d = generator.begin(new Prompt(ids, List.of()), sampling, CONTEXT);
        d.ahead(false);
        assertTrue(d.prefill(() -> false));
        open.put(d, new Written(new ArrayList<>(), new float[CONTEXT][0]));
      }
      List<Written> all = List.copyOf(open.values());
      Set<Integer> buckets = new TreeSet<>();
      while (!open.isEmpty()) {
        @Nullable Decoding[] batch = open.keySet().toArray(new Decoding[0]);
        generator.advance(batch, batch.length);
        for (Decoding d : List.copyOf(open.keySet())) {
          Written w = open.getOrDefault(d, all.getFirst());
          w.logits()[d.length() - 1] = row(d.logits());
          w.tokens().add(d.take());
          Runner.Phase phase = d.phase;
          buckets.add(phase == null ? 0 : phase.rows);
          if (!d.hasRoom()) {
            d.close();
            open.remove(d);
          }
        }
      }
      assertTrue(buckets.containsAll(List.of(1, 2, 4)), "programs that ran: " + buckets);
      return all;
    }
  }

  @Test
  void replayedIsLaunchedInEveryBucket() {
    List<Written> replayed = together("q4_0", new Switches(true, true, Switches.Cublas.FALSE));
    for (boolean[] other : new boolean[][] {{false, false}, {true, false}}) {
      Switches switches = new Switches(other[0], other[1], Switches.Cublas.FALSE);
      List<Written> found = together("q4_0", switches);
      for (int i = 0; i < found.size(); i++) {
        same(replayed.get(i), found.get(i), "answer " + i + " with " + switches);
      }
    }
  }
}
