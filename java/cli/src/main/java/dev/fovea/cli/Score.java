package dev.fovea.cli;

import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** When an answer counts as right, and how boxes are disturbed. */
final class Score {
  private Score() {}

  /** Whether an answer holds a word, as a whole word and in its case; a first word in capitals of a sentence counts in small ones too. */
  static boolean holds(String word, String answer) {
    return words(answer).contains(word);
  }

  static List<String> words(String answer) {
    List<String> words = new ArrayList<>();
    for (String w : answer.split("[^\\p{L}\\p{N}]+", -1)) {
      if (!w.isEmpty()) {
        words.add(w);
      }
    }
    if (!words.isEmpty() && !words.getFirst().equals(words.getFirst().toUpperCase(Locale.ROOT))) {
      words.add(words.getFirst().toLowerCase(Locale.ROOT));
    }
    return words;
  }

  /** Yes, no, or neither, by the first of the two words. */
  static @Nullable Boolean yes(String answer) {
    for (String word : words(answer)) {
      switch (word.toLowerCase(Locale.ROOT)) {
        case "yes" -> {
          return true;
        }
        case "no" -> {
          return false;
        }
        default -> {}
      }
    }
    return null;
  }

  /**
   * A box off by noise of that scale: on each axis the centre moves by U(−s,s) of the size and the size changes by the factor 1 + U(−s,s);
   * cut at the picture's edges, at least one pixel long.
   */
  static Region.Box disturbed(
      Region.Box box, double scale, int width, int height, RandomGenerator random) {
    double[] x = disturbed(box.x1(), box.x2(), scale, width, random);
    double[] y = disturbed(box.y1(), box.y2(), scale, height, random);
    return new Region.Box(x[0], y[0], x[1], y[1], Units.PIXEL);
  }

  private static double[] disturbed(
      double low, double high, double scale, int limit, RandomGenerator random) {
    double size = high - low;
    double centre = (low + high) / 2 + (2 * random.nextDouble() - 1) * scale * size;
    double half = size * (1 + (2 * random.nextDouble() - 1) * scale) / 2;
    double a = Math.clamp(centre - half, 0, limit - 1.0);
    double b = Math.clamp(centre + half, a + 1, limit);
    return new double[] {a, b};
  }

  /** Intersection over union. */
  static double overlap(List<Double> a, List<Double> b) {
    double w = Math.min(a.get(2), b.get(2)) - Math.max(a.get(0), b.get(0));
    double h = Math.min(a.get(3), b.get(3)) - Math.max(a.get(1), b.get(1));
    if (w <= 0 || h <= 0) {
      return 0;
    }
    return w * h / (area(a) + area(b) - w * h);
  }

  private static double area(List<Double> box) {
    return (box.get(2) - box.get(0)) * (box.get(3) - box.get(1));
  }
}
