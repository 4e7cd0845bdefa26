package dev.fovea.cli.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A number that is known up to chance.
 *
 * @param low lower end of the confidence interval
 * @param estimate the likeliest value
 * @param high upper end
 */
public record Interval(double low, double estimate, double high) {

  /**
   * The ratio b/a of times that were taken in pairs, a pair shortly after one another, so that what else the machine did hit both: the
   * Hodges-Lehmann estimate of the logarithms' location, and the interval that Wilcoxon's signed-rank test leaves (Hollander, Wolfe and
   * Chicken 2014, section 3.3). Exact for any number of pairs; needs no distribution, only that the noise of the logarithms is symmetric, and
   * a few wild pairs move it little. With too few pairs for the confidence it is unbounded.
   *
   * @param a times of the first of each pair, positive
   * @param b times of the second
   * @param confidence probability that the interval holds the ratio, say 0.99
   */
  public static Interval ratio(List<Double> a, List<Double> b, double confidence) {
    int n = a.size();
    if (n == 0 || b.size() != n) {
      throw new IllegalArgumentException(n + " and " + b.size() + " samples make no pairs");
    }
    double[] logs = new double[n];
    for (int i = 0; i < n; i++) {
      if (!(a.get(i) > 0) || !(b.get(i) > 0)) {
        throw new IllegalArgumentException("pair " + i + ": " + a.get(i) + ", " + b.get(i));
      }
      logs[i] = Math.log(b.get(i) / a.get(i));
    }
    double[] walsh = new double[n * (n + 1) / 2];
    int count = 0;
    for (int i = 0; i < n; i++) {
      for (int j = i; j < n; j++) {
        walsh[count++] = (logs[i] + logs[j]) / 2;
      }
    }
    Arrays.sort(walsh);
    int middle = walsh.length / 2;
    double estimate =
        walsh.length % 2 == 1 ? walsh[middle] : (walsh[middle - 1] + walsh[middle]) / 2;
    int cut = cut(n, (1 - confidence) / 2);
    return new Interval(
        cut < 0 ? 0 : Math.exp(walsh[cut]),
        Math.exp(estimate),
        cut < 0 ? Double.POSITIVE_INFINITY : Math.exp(walsh[walsh.length - 1 - cut]));
  }

  /** The largest w with P(W ≤ w) ≤ tail for the signed-rank statistic of n pairs without difference; −1 if there is none. */
  static int cut(int n, double tail) {
    double[] ways = new double[n * (n + 1) / 2 + 1]; // shares of the 2^n choices of signs
    ways[0] = 1;
    for (int rank = 1; rank <= n; rank++) {
      for (int sum = rank * (rank + 1) / 2; sum >= 0; sum--) {
        ways[sum] = (ways[sum] + (sum >= rank ? ways[sum - rank] : 0)) / 2;
      }
    }
    double below = 0;
    int w = -1;
    while (w + 1 < ways.length && below + ways[w + 1] <= tail) {
      below += ways[++w];
    }
    return w;
  }

  /** The same for b's speed over a's: one over it. */
  public Interval inverse() {
    return new Interval(1 / high, 1 / estimate, 1 / low);
  }

  /** {@code 1.02 (0.99 … 1.05)}. */
  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%.3f (%.3f … %.3f)", estimate, low, high);
  }
}
