package dev.fovea.cli.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Two that do the same tests in turns: one first in odd rounds, the other in even ones, so that a machine that slowly changes favours
 * neither. After so many rounds the times are looked at; as long as a test is in doubt, as many rounds follow and another look. Each look
 * has its share of the permitted error (Bonferroni), so that looking often finds no difference that is none.
 *
 * @param rounds how often each test is done by both before a look
 * @param looks how often the times are looked at, at most
 * @param confidence that the intervals of all looks hold the true ratio
 */
public record Contest(int rounds, int looks, double confidence) {

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

    /** Whether it is not, beyond doubt: the whole interval lies at or below. */
    public boolean within(double allowed) {
      return ratio.high() <= 1 + allowed;
    }

    public boolean decided(double allowed) {
      return slower(allowed) || within(allowed);
    }

    public static double median(List<Double> samples) {
      List<Double> sorted = samples.stream().sorted().toList();
      int n = sorted.size();
      return n == 0 ? Double.NaN : (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
    }
  }

  /**
   * Until every test is decided, or all looks are taken. Tests that only one side did do not count.
   *
   * @param decided whether an outcome leaves no doubt
   */
  public List<Outcome> run(Side first, Side second, Predicate<Outcome> decided) {
    Map<String, List<Double>> a = new LinkedHashMap<>();
    Map<String, List<Double>> b = new LinkedHashMap<>();
    List<Outcome> outcomes = List.of();
    for (int look = 0; look < looks; look++) {
      for (int round = look * rounds; round < (look + 1) * rounds; round++) {
        if (round % 2 == 0) {
          note(first, a);
          note(second, b);
        } else {
          note(second, b);
          note(first, a);
        }
      }
      outcomes = outcomes(a, b);
      if (outcomes.stream().allMatch(decided)) {
        break;
      }
    }
    return outcomes;
  }

  private List<Outcome> outcomes(Map<String, List<Double>> a, Map<String, List<Double>> b) {
    double each = 1 - (1 - confidence) / looks;
    List<Outcome> outcomes = new ArrayList<>();
    a.forEach((test, times) -> {
      List<Double> others = b.get(test);
      if (others != null && times.size() == others.size()) {
        outcomes.add(new Outcome(test, times, others, Interval.ratio(times, others, each)));
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
