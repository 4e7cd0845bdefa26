package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IntervalTest {

  /** Critical values of the signed-rank test, two-sided, as tables have them (Hollander, Wolfe and Chicken 2014, table A.4). */
  @ParameterizedTest
  @CsvSource({
    "5, 0.025, -1", "6, 0.025, 0", "7, 0.025, 2", "8, 0.025, 3", "10, 0.025, 8", "12, 0.025, 13",
    "15, 0.025, 25", "20, 0.025, 52", "7, 0.005, -1", "8, 0.005, 0", "10, 0.005, 3", "20, 0.005, 37"
  })
  void criticalValuesAreTheTables(int n, double tail, int cut) {
    assertEquals(cut, Interval.cut(n, tail));
  }

  @Test
  void fewPairsLeaveItOpen() {
    Interval i = Interval.ratio(List.of(1.0, 1.0), List.of(2.0, 2.0), 0.99);
    assertEquals(2, i.estimate(), 1e-12);
    assertEquals(0, i.low());
    assertEquals(Double.POSITIVE_INFINITY, i.high());
  }

  @Test
  void noPairsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Interval.ratio(List.of(), List.of(), 0.99));
    assertThrows(
        IllegalArgumentException.class, () -> Interval.ratio(List.of(1.0), List.of(0.0), 0.99));
  }

  /** Of many intervals at 90 %, as many as promised hold the true ratio, whatever the noise is like. */
  @Test
  void coversAsOftenAsItSays() {
    long seed = 4;
    SplittableRandom random = new SplittableRandom(seed);
    int held = 0;
    int trials = 2000;
    for (int t = 0; t < trials; t++) {
      List<Double> a = new ArrayList<>();
      List<Double> b = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        a.add(10 * Math.exp(noise(random)));
        b.add(13 * Math.exp(noise(random)));
      }
      Interval i = Interval.ratio(a, b, 0.9);
      held += i.low() <= 1.3 && 1.3 <= i.high() ? 1 : 0;
    }
    // At least 90 % (the exact level of 12 pairs is 90.8 %); five standard deviations are 3.4 %.
    assertTrue(held > 0.866 * trials && held < 0.942 * trials, held + " of " + trials);
  }

  /** One in five runs is disturbed by far more than the others. */
  private static double noise(SplittableRandom random) {
    return random.nextGaussian() * (random.nextInt(5) == 0 ? 0.5 : 0.03);
  }

  @Test
  void oneOverIsTheOtherWayRound() {
    Interval i = new Interval(0.8, 1, 1.25).inverse();
    assertEquals(new Interval(0.8, 1, 1.25), i);
  }
}
