package dev.fovea.cli.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Two that do the same tests in turns: one first in odd rounds, the other in even ones, so that a machine that slowly changes favours
 * neither.
 *
 * @param rounds how often each test is done by both
 * @param confidence of the intervals
 */
public record Contest(int rounds, double confidence) {

  /** One side: does all tests once and says what each took, in any unit that grows with time. */
  @FunctionalInterface
  public interface Side {
    Map<String, Double> measure();
  }

  /**
   * What came out of one test.
   *
   * @param first times of the first side, by round
   * @param second times of the second side
   * @param ratio second over first
   */
  public record Outcome(String test, List<Double> first, List<Double> second, Interval ratio) {

    /** Whether the second side is slower than allowed beyond doubt: the whole interval lies above 1 + allowed. */
    public boolean slower(double allowed) {
      return ratio.low() > 1 + allowed;
    }

    public static double median(List<Double> samples) {
      List<Double> sorted = samples.stream().sorted().toList();
      int n = sorted.size();
      return n == 0 ? Double.NaN : (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
    }
  }

  /** Tests that only one side did do not count. */
  public List<Outcome> run(Side first, Side second) {
    Map<String, List<Double>> a = new LinkedHashMap<>();
    Map<String, List<Double>> b = new LinkedHashMap<>();
    for (int round = 0; round < rounds; round++) {
      if (round % 2 == 0) {
        note(first, a);
        note(second, b);
      } else {
        note(second, b);
        note(first, a);
      }
    }
    List<Outcome> outcomes = new ArrayList<>();
    a.forEach((test, times) -> {
      List<Double> others = b.get(test);
      if (others != null && times.size() == others.size()) {
        outcomes.add(new Outcome(test, times, others, Interval.ratio(times, others, confidence)));
      }
    });
    return outcomes;
  }

  private static void note(Side side, Map<String, List<Double>> to) {
    side.measure()
        .forEach(
            (test, time) -> to.computeIfAbsent(test, _ -> new ArrayList<>()).add(time));
  }
}
