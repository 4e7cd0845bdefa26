package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The guard's verdict on times whose true ratio is known. */
class ContestTest {
  private static final double ALLOWED = 0.05;

  /** As {@code ./fovea bench --guard} has it. */
  private static final Contest GUARD = new Contest(12, 3, 0.99);

  /**
   * What disturbs a run. Each side takes the fastest of five, in a process that as a whole is faster or slower by chance, on a machine that
   * becomes a third slower in the middle of the first look.
   */
  enum Noise {
    QUIET {
      @Override
      double factor(SplittableRandom random) {
        return Math.exp(0.02 * random.nextGaussian());
      }
    },
    /** Three runs in ten take three times as long, as beside other work. */
    SPIKES {
      @Override
      double factor(SplittableRandom random) {
        return Math.exp(0.03 * random.nextGaussian()) * (random.nextInt(10) < 3 ? 3 : 1);
      }
    },
    /** Student's t with two degrees of freedom, which has no variance (as the ratio of a normal and a root of an exponential). */
    HEAVY_TAILS {
      @Override
      double factor(SplittableRandom random) {
        double exponential = -Math.log(1 - random.nextDouble());
        return Math.exp(0.02 * random.nextGaussian() / Math.sqrt(exponential));
      }
    };

    abstract double factor(SplittableRandom random);
  }

  private static Contest.Side side(Noise noise, SplittableRandom random, double slower) {
    int[] round = {0};
    return () -> {
      double process = (round[0]++ < 6 ? 1 : 1.33) * Math.exp(0.03 * random.nextGaussian());
      double fastest = Double.POSITIVE_INFINITY;
      for (int run = 0; run < 5; run++) {
        fastest = Math.min(fastest, noise.factor(random));
      }
      return Map.of("test", slower * process * fastest);
    };
  }

  private static Contest.Outcome contest(Noise noise, long seed, double slower) {
    SplittableRandom random = new SplittableRandom(seed);
    return GUARD
        .run(
            side(noise, random.split(), 1),
            side(noise, random.split(), slower),
            x -> x.decided(ALLOWED))
        .getFirst();
  }

  @ParameterizedTest
  @EnumSource(Noise.class)
  void theSameSpeedPasses(Noise noise) {
    for (long seed = 0; seed < 2000; seed++) {
      Contest.Outcome o = contest(noise, seed, 1);
      assertFalse(o.slower(ALLOWED), noise + ", seed " + seed + ": " + o.ratio());
    }
  }

  @ParameterizedTest
  @EnumSource(Noise.class)
  void aFifthSlowerFails(Noise noise) {
    for (long seed = 0; seed < 200; seed++) {
      Contest.Outcome o = contest(noise, seed, 1.2);
      assertTrue(o.slower(ALLOWED), noise + ", seed " + seed + ": " + o.ratio());
    }
  }

  /** Exactly as slow as allowed is the worst case: it may be called slower in one of 200 contests, however often they are looked at. */
  @ParameterizedTest
  @EnumSource(Noise.class)
  void looksShareThePermittedError(Noise noise) {
    int contests = 4000;
    int alarms = 0;
    for (long seed = 0; seed < contests; seed++) {
      alarms += contest(noise, seed, 1 + ALLOWED).slower(ALLOWED) ? 1 : 0;
    }
    // Half of 1 % is 20; five standard deviations above are 42.
    assertTrue(alarms <= 42, noise + ": " + alarms + " alarms in " + contests);
  }

  @Test
  void goesOnWhileInDoubtAndNoLonger() {
    SplittableRandom random = new SplittableRandom(1);
    assertEquals(12, contest(Noise.QUIET, 1, 1).first().size());
    Contest.Side wild = () -> Map.of("test", Math.exp(random.nextGaussian()));
    assertEquals(
        36, GUARD.run(wild, wild, x -> x.decided(ALLOWED)).getFirst().first().size());
  }

  @Test
  void takesTurnsAtBeingFirst() {
    List<String> order = new ArrayList<>();
    Contest.Side a = () -> noted(order, "a");
    Contest.Side b = () -> noted(order, "b");
    List<Contest.Outcome> outcomes = new Contest(4, 1, 0.5).run(a, b, _ -> true);
    assertEquals("abbaabba", String.join("", order));
    assertEquals(1, outcomes.size());
  }

  private static Map<String, Double> noted(List<String> order, String who) {
    order.add(who);
    return Map.of("both", 1.0, who, 1.0);
  }
}
