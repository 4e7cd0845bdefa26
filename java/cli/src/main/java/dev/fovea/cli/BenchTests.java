package dev.fovea.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FinishReason;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.Sampling;
import dev.fovea.Session;
import dev.fovea.cli.bench.Busy;
import dev.fovea.cli.bench.LlamaCpp;
import dev.fovea.engine.Decoding;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Prompt;
import dev.fovea.engine.Steps;
import dev.fovea.error.CancelledException;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.Picture;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What {@code fovea bench} measures of an open model. */
final class BenchTests {

  /**
   * Something to measure.
   *
   * @param load the tokens it reads and writes; none for pictures and loading
   * @param units what one run counts as, for a rate: tokens, pictures
   */
  record Test(String name, Load load, int units, Work work) {
    static Test once(String name, Work work) {
      return new Test(name, Load.NONE, 1, work);
    }

    /** Whether it opens a model of its own, in place of using the open one. */
    boolean opens() {
      return name.equals("load");
    }
  }

  /**
   * What a test of tokens does.
   *
   * @param prompt tokens read in the counted time
   * @param answer tokens written in it, by each sequence
   * @param depth positions that are there before
   * @param sequences how many write at once
   * @param busy whether another process keeps the cores busy meanwhile
   */
  record Load(int prompt, int answer, int depth, int sequences, boolean busy) {
    static final Load NONE = new Load(0, 0, 0, 1);

    Load(int prompt, int answer, int depth, int sequences) {
      this(prompt, answer, depth, sequences, false);
    }

    int positions() {
      return depth + prompt + answer;
    }

    int units() {
      return prompt + answer * sequences;
    }

    String name() {
      String what = Stream.of(prompt > 0 ? "pp" + prompt : "", answer > 0 ? "tg" + answer : "")
          .filter(s -> !s.isEmpty())
          .collect(Collectors.joining("+"));
      return what
          + (depth > 0 ? " @ d" + depth : "")
          + (sequences > 1 ? " x " + sequences : "")
          + (busy ? LlamaCpp.BUSY : "");
    }
  }

  /** Runs once and returns the nanoseconds that count. */
  @FunctionalInterface
  interface Work {
    long nanos();
  }

  private final Fovea fovea;
  private final Arena arena;
  private final Cancellation cancel;
  private long asked;
  private Picture seen = picture(0);

  BenchTests(Fovea fovea, Arena arena, Cancellation cancel) {
    this.fovea = fovea;
    this.arena = arena;
    this.cancel = cancel;
  }

  /** Opening the model once more, up to where a question can be asked. */
  static Test load(Path path, FoveaOptions options) {
    return Test.once("load", () -> {
      long start = System.nanoTime();
      try (Fovea _ = Fovea.open(path, options)) {
        return System.nanoTime() - start;
      }
    });
  }

  Test tokens(Load l) {
    return new Test(l.name(), l, l.units(), () -> {
      try (Busy _ = l.busy() ? new Busy() : null) {
        return fovea.compute(g -> l.sequences() == 1 ? tokens(g, l) : steps(g, l));
      }
    });
  }

  List<Test> pictures() {
    ModelConfig config = fovea.info().config();
    VisionConfig vision = config.vision();
    MemorySegment pixels = arena.allocate(4L * 3 * vision.imageSize() * vision.imageSize(), 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long i = 0; i < pixels.byteSize() / 4; i++) {
      pixels.setAtIndex(JAVA_FLOAT, i, (float) (2 * random.nextDouble() - 1));
    }
    MemorySegment features =
        arena.allocate(4L * vision.features() * config.decoder().width(), 64);
    return List.of(
        Test.once(
            "img",
            () -> fovea.compute(g -> {
              long start = System.nanoTime();
              g.runner().encode(pixels, features);
              return System.nanoTime() - start;
            })),
        Test.once("ttft", () -> {
          seen = picture(++asked);
          return firstToken(seen);
        }),
        Test.once("ttft-again", () -> {
          if (asked == 0) {
            long _ = firstToken(seen);
          }
          asked++;
          return firstToken(seen);
        }));
  }

  /**
   * Reads tokens that no earlier prompt began with, then writes; only what the test is named after counts. What lies before (-d) is read
   * first and then found in the cache.
   */
  private long tokens(Generator generator, Load load) {
    generator.forget();
    int vocabulary = generator.runner().config().decoder().vocabulary();
    SplittableRandom random = new SplittableRandom(7);
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < Math.max(1, load.depth() + load.prompt()); i++) {
      ids.add(random.nextInt(vocabulary));
    }
    if (load.depth() > 0 && load.prompt() > 0) {
      Prompt before = new Prompt(ids.subList(0, load.depth()), List.of());
      try (Decoding decoding = generator.begin(before, Sampling.GREEDY, 1)) {
        prefill(decoding);
      }
    }
    long start = System.nanoTime();
    try (Decoding decoding =
        generator.begin(new Prompt(ids, List.of()), Sampling.GREEDY, load.answer() + 1)) {
      prefill(decoding);
      int _ = decoding.next(); // chosen from the prompt's logits
      if (load.prompt() == 0) {
        start = System.nanoTime();
      }
      for (int i = 0; i < load.answer(); i++) {
        int _ = decoding.next();
        if (cancel.isCancelled()) {
          throw new CancelledException("the measurement");
        }
      }
    }
    return System.nanoTime() - start;
  }

  private void prefill(Decoding decoding) {
    if (!decoding.prefill(cancel::isCancelled)) {
      throw new CancelledException("the measurement");
    }
  }

  /** Several sequences that write at once, behind random cache contents. */
  private static long steps(Generator generator, Load load) {
    try (Steps steps = generator.runner().steps(load.sequences(), load.positions() + 1)) {
      steps.run(load.depth(), 1); // builds what the first run builds
      long start = System.nanoTime();
      steps.run(load.depth(), load.answer());
      return System.nanoTime() - start;
    }
  }

  /** Seeded noise: no two alike, so that none is found in a cache. */
  static Picture picture(long seed) {
    int side = 224;
    byte[] rgb = new byte[3 * side * side];
    new SplittableRandom(seed).nextBytes(rgb);
    return new Picture(side, side, rgb);
  }

  /** The n-th question, about a picture in a conversation of its own. */
  static String question(long n) {
    return "What is thing " + n + "?";
  }

  /** From the question to its first token. */
  private long firstToken(Picture about) {
    try (Session session = fovea.session()) {
      Answer answer = session.ask(
          Question.of(question(asked)).picture(about),
          Generation.DEFAULT.withMaxTokens(1).withIgnoreEos(true),
          token -> {},
          cancel);
      if (answer.finishReason() == FinishReason.CANCELLED) {
        throw new CancelledException("the measurement");
      }
      return Math.round(1e6 * answer.timings().firstTokenMs());
    }
  }
}
