package dev.fovea.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.fovea.Sampling;
import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.BackendException;
import dev.fovea.golden.TinyModel;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Several answers at once say what each says alone, whoever comes and goes beside them. */
class BatchTest {
  private static final int VOCABULARY = TinyModel.CONFIG.decoder().vocabulary();

  private static Generator generator(
      Device device, Arena arena, String weights, DType cache, int pages, int sequences) {
    return new Generator(
        device,
        TinyModel.CONFIG,
        TinyModel.parameters(arena, DType.parse(weights)),
        new Runner.Sizes(96, pages, 4, cache, 16, 1, VOCABULARY, sequences));
  }

  /** A question: a prompt, how its answer is drawn, and how long it is. */
  private record Asked(Prompt prompt, Sampling sampling, int tokens) {}

  private static List<Asked> questions(long seed, int n) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Asked> all = new ArrayList<>();
    for (int q = 0; q < n; q++) {
      List<Integer> ids = new ArrayList<>();
      int length = 1 + random.nextInt(40);
      for (int i = 0; i < length; i++) {
        ids.add(random.nextInt(VOCABULARY));
      }
      Sampling sampling =
          q % 2 == 0 ? Sampling.GREEDY : new Sampling(0.9, 20, 0.95, 0.01, 1.2, random.nextLong());
      all.add(new Asked(new Prompt(ids, List.of()), sampling, 1 + random.nextInt(30)));
    }
    return all;
  }

  private static List<Integer> alone(Generator generator, Asked asked, boolean ahead) {
    try (Decoding d = generator.begin(asked.prompt(), asked.sampling(), asked.tokens())) {
      d.ahead(ahead);
      assertTrue(d.prefill(() -> false));
      List<Integer> tokens = new ArrayList<>();
      while (d.hasRoom()) {
        tokens.add(d.next());
      }
      return tokens;
    }
  }

  /** All questions through one generator, as many at a time as it takes, new ones joining where others have ended. */
  private static List<List<Integer>> together(
      Generator generator, List<Asked> questions, boolean ahead) {
    List<List<Integer>> answers = new ArrayList<>();
    List<Decoding> open = new ArrayList<>();
    Map<Decoding, List<Integer>> whose = new HashMap<>();
    @Nullable Decoding[] batch = new Decoding[generator.runner().sizes().sequences()];
    int next = 0;
    while (next < questions.size() || !open.isEmpty()) {
      while (next < questions.size()) {
        Asked asked = questions.get(next);
        Decoding d = generator.tryBegin(asked.prompt(), asked.sampling(), asked.tokens());
        if (d == null) {
          break;
        }
        d.ahead(ahead);
        open.add(d);
        answers.add(new ArrayList<>());
        whose.put(d, answers.get(next++));
      }
      generator.read(open);
      int n = 0;
      for (Decoding d : open) {
        if (d.unread() == 0) {
          batch[n++] = d;
        }
      }
      generator.advance(batch, n);
      for (int i = 0; i < n; i++) {
        Decoding d = Generator.at(batch, i);
        whose.getOrDefault(d, List.of()).add(d.take());
        if (!d.hasRoom()) {
          d.close();
          open.remove(d);
        }
      }
    }
    return answers;
  }

  @ParameterizedTest
  @CsvSource({
    "reference, f32, F32, false",
    "cpu, f32, F32, false",
    "cpu, f32, F32, true",
    "cpu, q4_0, F16, true",
    "cpu, bf16, F16, false",
    "cpu, q8_0, Q8_0, true",
    "cuda-emulated, f32, F32, true",
    "opencl, f32, F32, true",
    "opencl, q4_0, F16, true"
  })
  void answersTogetherAreThoseAlone(String backend, String weights, DType cache, boolean ahead) {
    int n = backend.equals("cpu") ? 24 : 6;
    List<Asked> questions = questions(7, n);
    try (Arena arena = Arena.ofShared();
        Device device = Backend.named(backend).open(new DeviceOptions(2, null));
        Generator one = generator(device, arena, weights, cache, 200, 1);
        Generator many = generator(device, arena, weights, cache, 120, 5)) {
      List<List<Integer>> answers = together(many, questions, ahead);
      for (int i = 0; i < n; i++) {
        assertEquals(questions.get(i).tokens(), answers.get(i).size());
        assertEquals(alone(one, questions.get(i), false), answers.get(i), "answer " + i);
      }
      many.forget();
      assertEquals(many.runner().pool().size(), many.runner().pool().free(), "pages given back");
    }
  }

  /** The same beginning is computed by the first alone; the others wait for it and share its pages. */
  @Test
  void questionsAskedAtOnceShareWhatTheyBeginWith() {
    List<Integer> ids = new ArrayList<>(questions(3, 1).getFirst().prompt().ids());
    while (ids.size() < 40) {
      ids.add(ids.size());
    }
    List<Asked> questions = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      List<Integer> own = new ArrayList<>(ids);
      own.add(60 + i);
      questions.add(new Asked(new Prompt(own, List.of()), Sampling.GREEDY, 9));
    }
    try (Arena arena = Arena.ofShared();
        Device device = Backend.named("cpu").open(new DeviceOptions(1, null));
        Generator one = generator(device, arena, "f32", DType.F32, 200, 1);
        // Room for one of 13 pages, and for what the four others have of their own
        Generator many = generator(device, arena, "f32", DType.F32, 13 + 4 * 3, 5)) {
      Decoding first = many.begin(questions.getFirst().prompt(), Sampling.GREEDY, 9);
      assertNull(many.tryBegin(questions.get(1).prompt(), Sampling.GREEDY, 9), "the first reads");
      assertTrue(first.prefill(() -> false));
      List<Decoding> others = new ArrayList<>();
      for (Asked asked : questions.subList(1, 5)) {
        Decoding d = many.tryBegin(asked.prompt(), asked.sampling(), asked.tokens());
        assertTrue(d != null && d.cached() == 40, "shared");
        others.add(d);
      }
      assertEquals(0, many.runner().pool().free());
      assertNull(many.tryBegin(questions.getFirst().prompt(), Sampling.GREEDY, 9));
      BackendException e = assertThrows(
          BackendException.class,
          () -> many.begin(questions.getFirst().prompt(), Sampling.GREEDY, 9));
      assertTrue(String.valueOf(e.getMessage()).contains("5 of 5 are open"), e.toString());
      others.forEach(Decoding::close);
      first.close();
      List<List<Integer>> answers = together(many, questions, false);
      for (int i = 0; i < 5; i++) {
        assertEquals(alone(one, questions.get(i), false), answers.get(i));
      }
    }
  }

  /** A program a power of two, and the smallest that fits. */
  @Test
  void stepsRunInTheSmallestBucket() {
    try (Arena arena = Arena.ofShared();
        Device device = Backend.named("cpu").open(new DeviceOptions(1, null));
        Generator generator = generator(device, arena, "f32", DType.F32, 200, 6)) {
      int[] rows = new int[6];
      List<Decoding> open = new ArrayList<>();
      @Nullable Decoding[] batch = new Decoding[6];
      for (int n = 1; n <= 6; n++) {
        Asked asked = questions(n, 1).getFirst();
        Decoding d = generator.begin(asked.prompt(), Sampling.GREEDY, 20);
        assertTrue(d.prefill(() -> false));
        batch[n - 1] = d;
        open.add(d);
        generator.advance(batch, n); // the first token is that of the prompt
        open.forEach(Decoding::take);
        generator.advance(batch, n);
        open.forEach(Decoding::take);
        Runner.Phase phase = d.phase;
        rows[n - 1] = phase == null ? 0 : phase.rows;
      }
      assertArrayEquals(new int[] {1, 2, 4, 4, 6, 6}, rows);
      open.forEach(Decoding::close);
    }
  }

  @Test
  void stepsOfSeveralAnswersAllocateNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Arena arena = Arena.ofShared();
        Device device = Backend.named("cpu").open(new DeviceOptions(1, null));
        Generator generator = new Generator(
            device,
            TinyModel.CONFIG,
            TinyModel.parameters(arena, DType.Q4_0),
            new Runner.Sizes(20_000, 10_000, 4, DType.F16, 16, 1, VOCABULARY, 3))) {
      @Nullable Decoding[] batch = new Decoding[3];
      for (int i = 0; i < 3; i++) {
        Asked asked = questions(i, 2).getLast();
        Decoding d = generator.begin(asked.prompt(), asked.sampling(), 12_000);
        assertTrue(d.prefill(() -> false));
        batch[i] = d;
      }
      int measured = 500;
      long allocated = 0;
      for (int i = 0; i < 11_000; i++) {
        if (i == 11_000 - measured) {
          allocated = threads.getCurrentThreadAllocatedBytes();
        }
        // Two of them, then three: programs and rows change.
        int n = 2 + i % 2;
        generator.advance(batch, n);
        for (int k = 0; k < n; k++) {
          int _ = Generator.at(batch, k).take();
        }
      }
      long after = threads.getCurrentThreadAllocatedBytes();
      long overhead = threads.getCurrentThreadAllocatedBytes() - after;
      assertEquals(0, after - allocated - overhead, "heap bytes of " + measured + " steps");
      for (Decoding d : batch) {
        if (d != null) {
          d.close();
        }
      }
    }
  }
}
