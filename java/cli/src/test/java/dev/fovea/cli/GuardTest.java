package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Cancellation;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.cli.bench.Contest;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** The guard on the demo model's own decoding, on this machine as busy as it is. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuardTest {
  private static final double ALLOWED = 0.05;
  private static final int TOKENS = 10;

  private final Arena arena = Arena.ofShared();
  private final Fovea fovea = Fovea.open(
      Path.of(System.getProperty("fovea.root", "."), "models/demo"),
      FoveaOptions.builder().backend("cpu").threads(1).context(256).build());
  private final BenchTests tests = new BenchTests(fovea, arena, new Cancellation());

  @BeforeAll
  void warmUp() {
    for (int i = 0; i < 200; i++) {
      writing(TOKENS).measure();
    }
  }

  @AfterAll
  void close() {
    fovea.close();
    arena.close();
  }

  /** The fastest of three answers of so many tokens, in nanoseconds. */
  private Contest.Side writing(int tokens) {
    BenchTests.Test test = tests.tokens(new BenchTests.Load(0, tokens, 0, 1));
    return () -> {
      long fastest = Long.MAX_VALUE;
      for (int i = 0; i < 3; i++) {
        fastest = Math.min(fastest, test.work().nanos());
      }
      return Map.of("tg", (double) fastest);
    };
  }

  @Test
  void baseAgainstBasePassesTwentyOfTwenty() {
    for (int i = 0; i < 20; i++) {
      Contest.Outcome o = new Contest(12, 3, 0.99)
          .run(writing(TOKENS), writing(TOKENS), x -> x.decided(ALLOWED))
          .getFirst();
      assertFalse(o.slower(ALLOWED), "contest " + i + ": " + o);
    }
  }

  /** A head that steps six times where the base steps five. On a busy machine it may take more looks to be sure than a build waits for. */
  @Test
  void aFifthMoreStepsFail() {
    List<Contest.Outcome> outcomes = new Contest(12, 20, 0.99)
        .run(writing(TOKENS), writing(TOKENS * 6 / 5), x -> x.decided(ALLOWED));
    assertTrue(outcomes.getFirst().slower(ALLOWED), outcomes.toString());
  }
}
