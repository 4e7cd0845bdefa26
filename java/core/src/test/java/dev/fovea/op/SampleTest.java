package dev.fovea.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.BackendException;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** That the definition of sampling, to which kernels are held, is what its formulas say. */
class SampleTest {
  private static final int DRAWS = 20_000;
  /** Probabilities 0.5, 0.25, 0.15, 0.07, 0.03 up to a common factor of the exponential. */
  private static final double[] P = {0.25, 0.03, 0.5, 0.07, 0.15};

  private static double[] logits() {
    return Arrays.stream(P).map(Math::log).toArray();
  }

  /** temperature, top-k, top-p, min-p, penalty */
  private static double[] control(
      double temperature, int topK, double topP, double minP, double penalty) {
    return new double[] {temperature, topK, topP, minP, penalty};
  }

  private static int draw(double[] logits, double[] tokens, int pos, double[] control, long seed) {
    int v = logits.length;
    List<TensorType> types = List.of(
        TensorType.f32(Shape.of(Axis.R, 1, Axis.V, v)),
        TensorType.i32(Shape.of(Axis.B, 1, Axis.MT, tokens.length)),
        TensorType.i32(Shape.of(Axis.R, 1)),
        TensorType.i32(Shape.of(Axis.R, 1)),
        TensorType.f32(Shape.of(Axis.R, 1, Axis.I, Sample.CONTROLS)),
        TensorType.i32(Shape.of(Axis.R, 1, Axis.I, 2)));
    double[] y = new double[1];
    double[] words = {(int) seed, (int) (seed >>> 32)};
    Op op = new Sample(v);
    op.reference(new Call(
        List.copyOf(types),
        List.of(logits, tokens, new double[] {0}, new double[] {pos}, control, words),
        Collections.nCopies(6, null),
        op.infer(new Operands(op, List.copyOf(types))),
        y,
        new double[1]));
    return (int) y[0];
  }

  /** How often each id is drawn, as a share. */
  private static double[] shares(double[] control) {
    double[] count = new double[P.length];
    double[] tokens = new double[DRAWS + 1];
    Arrays.fill(tokens, -1);
    for (int i = 0; i < DRAWS; i++) {
      // Half by position, half by seed: both must make an independent draw.
      count[
          i % 2 == 0
              ? draw(logits(), tokens, i, control, 5)
              : draw(logits(), tokens, 3, control, i)]++;
    }
    return Arrays.stream(count).map(n -> n / DRAWS).toArray();
  }

  private static void assertShares(double[] expected, double[] control) {
    double[] found = shares(control);
    for (int i = 0; i < expected.length; i++) {
      double deviation = Math.sqrt(expected[i] * (1 - expected[i]) / DRAWS);
      assertEquals(
          expected[i], found[i], 4 * deviation, "id " + i + " of " + Arrays.toString(found));
    }
  }

  @Test
  void drawsByProbability() {
    assertShares(P, control(1, 0, 1, 0, 1));
  }

  @Test
  void temperatureFlattens() {
    double[] roots = Arrays.stream(P).map(Math::sqrt).toArray();
    double sum = Arrays.stream(roots).sum();
    assertShares(Arrays.stream(roots).map(r -> r / sum).toArray(), control(2, 0, 1, 0, 1));
  }

  @Test
  void topKKeepsTheMostLikely() {
    assertShares(new double[] {1 / 3.0, 0, 2 / 3.0, 0, 0}, control(1, 2, 1, 0, 1));
  }

  @Test
  void topPKeepsTheFewestThatReachIt() {
    // 0.5 + 0.25 falls short of 0.76, so 0.15 joins.
    assertShares(new double[] {0.25 / 0.9, 0, 0.5 / 0.9, 0, 0.15 / 0.9}, control(1, 0, 0.76, 0, 1));
  }

  @Test
  void topPCountsOnlyWhatTopKKept() {
    // Of the kept 0.75, two thirds are the first alone.
    assertShares(new double[] {0, 0, 1, 0, 0}, control(1, 2, 0.66, 0, 1));
  }

  @Test
  void minPIsRelativeToTheMostLikely() {
    assertShares(new double[] {0.25 / 0.9, 0, 0.5 / 0.9, 0, 0.15 / 0.9}, control(1, 0, 1, 0.2, 1));
  }

  @Test
  void greedyTakesTheFirstOfTheLargest() {
    double[] tokens = {-1, -1};
    double[] control = control(0, 0, 1, 0, 1);
    assertEquals(1, draw(new double[] {0, 3, 3, -1}, tokens, 0, control, 9));
    assertEquals(3, draw(new double[] {-9, -8, -7, -6}, tokens, 1, control, 9));
  }

  @Test
  void penaltyCountsWhatStandsUpToThePositionOnce() {
    double[] control = control(0, 0, 1, 0, 2);
    double[] logits = {4, 3, -1};
    assertEquals(0, draw(logits, new double[] {1, -5, 9, 0}, 2, control, 0), "id 0 comes later");
    assertEquals(1, draw(logits, new double[] {-1, 0, 0, 0}, 3, control, 0), "4 / 2 < 3");
    double[] negative = {-1, -1.9, -9};
    assertEquals(1, draw(negative, new double[] {0, 0}, 1, control, 0), "−1 · 2 < −1.9");
    assertEquals(
        0,
        draw(new double[] {-1, -2.1, -9}, new double[] {0, 0}, 1, control, 0),
        "once, not twice");
  }

  @Test
  void refusesWhatIsNotANumber() {
    BackendException e = assertThrows(
        BackendException.class,
        () ->
            draw(new double[] {1, Double.NaN, 2}, new double[] {0}, 0, control(0, 0, 1, 0, 1), 0));
    assertTrue(String.valueOf(e.getMessage()).contains("token 1"), e.toString());
  }
}
