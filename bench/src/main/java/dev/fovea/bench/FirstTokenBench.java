package dev.fovea.bench;

import dev.fovea.Answer;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.Session;
import dev.fovea.backend.Ceilings;
import dev.fovea.model.image.Picture;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** From a question and a picture to the first token: of a picture not seen before, and of the second question about one. */
@State(Scope.Benchmark)
public class FirstTokenBench {
  private static final int SIDE = 336;

  @Param("")
  public String model = "";

  @Param("cpu")
  public String backend = "cpu";

  private @Nullable Fovea fovea;
  private long asked;
  private Picture seen = picture(0);
  private Meter meter = Meter.current();

  @Setup(Level.Trial)
  public void open() {
    fovea = Fovea.open(
        OpenModel.path(model),
        FoveaOptions.builder().backend(backend).context(1024).build());
    seen = picture(0);
    ask(seen);
    meter = Meter.start(0, 0, Ceilings.UNKNOWN);
  }

  private static Picture picture(long seed) {
    byte[] rgb = new byte[3 * SIDE * SIDE];
    new SplittableRandom(seed).nextBytes(rgb);
    return new Picture(SIDE, SIDE, rgb);
  }

  /** Asks something that was not asked before. */
  private Answer ask(Picture about) {
    if (fovea == null) {
      throw new IllegalStateException("not set up");
    }
    try (Session session = fovea.session()) {
      Answer answer = session.ask(
          Question.of("What is thing " + ++asked + " here?").picture(about),
          Generation.DEFAULT.withMaxTokens(1).withIgnoreEos(true));
      if (answer.tokens().size() != 1) {
        throw new AssertionError(answer.tokens().size() + " tokens, one was asked for");
      }
      return answer;
    }
  }

  @Benchmark
  public void newPicture() {
    Picture picture = picture(asked + 1);
    long start = System.nanoTime();
    Answer answer = ask(picture);
    meter.record(System.nanoTime() - start);
    if (answer.usage().cachedTokens() >= answer.usage().imageTokens()) {
      throw new AssertionError("a picture not seen before was found in the cache");
    }
  }

  @Benchmark
  public void samePicture() {
    long start = System.nanoTime();
    Answer answer = ask(seen);
    meter.record(System.nanoTime() - start);
    if (answer.usage().cachedTokens() < answer.usage().imageTokens()) {
      throw new AssertionError("of a picture seen before " + answer.usage());
    }
  }

  @TearDown(Level.Trial)
  public void close() {
    if (fovea != null) {
      fovea.close();
    }
  }
}
