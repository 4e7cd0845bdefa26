package dev.fovea.op;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.MT;
import static dev.fovea.tensor.Axis.R;
import static dev.fovea.tensor.Axis.V;

import dev.fovea.error.BackendException;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the token that follows position pos[r] of sequence seq[r]; where pos[r] is negative nothing is chosen and y[r] = −1. In order:
 *
 * <ol>
 *   <li>repetition penalty: logits of tokens at positions 0 … pos of the sequence are divided by it if positive, else multiplied (Keskar et
 *       al. 2019, arXiv:1909.05858, section 4.1);
 *   <li>temperature 0: the largest logit, of equals the smallest id. Else weights w = exp((logit − max) / temperature);
 *   <li>min-p: weights below it (the largest is 1) become 0 (Nguyen et al. 2024, arXiv:2407.01082);
 *   <li>top-k: the k largest stay, of equals the smaller ids; 0 keeps all;
 *   <li>top-p: of those, the largest whose sum first reaches p of theirs (Holtzman et al. 2019, arXiv:1904.09751);
 *   <li>a draw: u in [0,1) from SplitMix64 (Steele, Lea and Flood 2014) of the seed and pos + 1 alone; the first id, in order of ids, at
 *       which the sum of what stayed exceeds u of the whole.
 * </ol>
 *
 * <p>{@code control} holds temperature, top-k, top-p, min-p and penalty, {@code seed} its low and high word. Ids from {@code vocabulary} on
 * (padding of the head) are never chosen. A logit that is not a number is an error.
 *
 * @param vocabulary ids below this may be chosen
 */
public record Sample(int vocabulary) implements Op {
  /** Numbers of one row of {@code control}. */
  public static final int CONTROLS = 5;

  @Override
  public String name() {
    return "sample";
  }

  @Override
  public List<String> inputs() {
    return List.of(
        "logits", "tokens", "seq", "pos", "control",
        "seed"); // logits [R,V], tokens [B,Mt], seq, pos [R], control [R,5], seed [R,2] → [R]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 2).rank(1, 2).rank(2, 1).rank(3, 1).rank(4, 2).rank(5, 2);
    in.dtype(0, DType.F32).dtype(4, DType.F32);
    in.dtype(1, DType.I32).dtype(2, DType.I32).dtype(3, DType.I32).dtype(5, DType.I32);
    int rows = in.size(0, 0);
    in.require(
        in.size(2, 0) == rows
            && in.size(3, 0) == rows
            && in.size(4, 0) == rows
            && in.size(5, 0) == rows,
        "seq, pos, control and seed must have one entry per row of logits");
    in.require(
        in.size(4, 1) == CONTROLS && in.size(5, 1) == 2,
        "control must have " + CONTROLS + " numbers a row and seed 2");
    in.require(
        vocabulary >= 1 && vocabulary <= in.size(0, 1),
        "the vocabulary of " + vocabulary + " must lie within the logits");
    return TensorType.i32(Shape.of(in.shape(0).axis(0), rows));
  }

  @Override
  public void reference(Call c) {
    int width = c.shape(0).size(1);
    int places = c.shape(1).size(1);
    for (int r = 0; r < c.shape(0).size(0); r++) {
      double[] logits = Arrays.copyOfRange(c.in(0), r * width, r * width + vocabulary);
      int seq = (int) c.in(2)[r];
      int pos = (int) c.in(3)[r];
      if (pos < 0) {
        c.put(r, -1, 0);
        continue;
      }
      double[] control = Arrays.copyOfRange(c.in(4), r * CONTROLS, (r + 1) * CONTROLS);
      boolean[] seen = new boolean[vocabulary];
      for (int i = 0; i <= pos; i++) {
        int id = (int) c.in(1)[seq * places + i];
        if (id >= 0 && id < vocabulary) {
          seen[id] = true;
        }
      }
      long low = (long) c.in(5)[2 * r] & 0xffffffffL;
      long seed = low | ((long) c.in(5)[2 * r + 1] << 32);
      c.put(r, choose(logits, seen, control, seed, pos + 1), 0);
    }
  }

  private static int choose(
      double[] logits, boolean[] seen, double[] control, long seed, int counter) {
    double temperature = control[0];
    int topK = (int) control[1];
    double topP = control[2];
    double minP = control[3];
    double penalty = control[4];
    int n = logits.length;
    int best = 0;
    for (int i = 0; i < n; i++) {
      if (Double.isNaN(logits[i])) {
        throw new BackendException("sample: the logit of token " + i + " is not a number");
      }
      if (seen[i]) {
        logits[i] = (float) (logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty);
      }
      best = logits[i] > logits[best] ? i : best;
    }
    if (temperature == 0) {
      return best;
    }
    double[] w = new double[n];
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      w[i] = Math.exp((logits[i] - logits[best]) / temperature);
      if (w[i] < minP) {
        w[i] = 0;
      }
      order.add(i);
    }
    order.sort((a, b) -> w[a] != w[b] ? Double.compare(w[b], w[a]) : a - b);
    int kept = topK == 0 ? n : Math.min(topK, n);
    if (topP < 1) {
      double all = 0;
      for (int i = 0; i < kept; i++) {
        all += w[order.get(i)];
      }
      double sum = 0;
      int enough = 0;
      while (enough < kept && sum < topP * all) {
        sum += w[order.get(enough++)];
      }
      kept = Math.max(1, enough);
    }
    for (int i = kept; i < n; i++) {
      w[order.get(i)] = 0;
    }
    double total = 0;
    for (double x : w) {
      total += x;
    }
    double at = uniform(seed, counter) * total;
    int last = best;
    for (int i = 0; i < n; i++) {
      if (w[i] > 0) {
        last = i;
        at -= w[i];
        if (at < 0) {
          return i;
        }
      }
    }
    return last; // what rounding left over
  }

  /** The counter-th number of the seed's stream, in [0,1) with 53 bits. */
  static double uniform(long seed, long counter) {
    long z = seed + counter * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return (z >>> 11) * 0x1p-53;
  }

  @Override
  public List<Number> attributes() {
    return List.of((long) vocabulary);
  }

  @Override
  public long bytes(List<@Nullable TensorType> in, TensorType out) {
    TensorType logits = in.get(0);
    return logits == null ? 0 : logits.bytes();
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    List<Number> greedy = List.of(0, 0, 1, 0, 1);
    cases.add(of("greedy", 1, 40, 40, greedy, new Fill.Normal(3)));
    cases.add(of("greedy padded", 3, 1003, 1000, greedy, new Fill.Normal(3)));
    cases.add(of("greedy ties", 2, 300, 299, greedy, new Fill.Constant(1)));
    cases.add(of("greedy penalty", 3, 64, 61, List.of(0, 0, 1, 0, 1.5), new Fill.Normal(2)));
    cases.add(of("plain", 5, 1000, 1000, List.of(1, 0, 1, 0, 1), new Fill.Normal(2)));
    cases.add(of("hot", 3, 257, 250, List.of(2.5, 0, 1, 0, 1), new Fill.Normal(2)));
    cases.add(of("top-k", 5, 500, 500, List.of(1, 40, 1, 0, 1), new Fill.Normal(2)));
    cases.add(of("top-k 1", 2, 500, 500, List.of(1, 1, 1, 0, 1), new Fill.Normal(2)));
    cases.add(of("top-p", 5, 500, 499, List.of(0.8, 0, 0.9, 0, 1), new Fill.Normal(2)));
    cases.add(of("min-p", 5, 500, 499, List.of(1, 0, 1, 0.05, 1), new Fill.Normal(2)));
    cases.add(of("all", 5, 1003, 1003, List.of(0.7, 50, 0.95, 0.01, 1.1), new Fill.Normal(3)));
    cases.add(of("equal", 4, 90, 90, List.of(1, 7, 0.5, 0, 1), new Fill.Constant(-2)));
    cases.add(of("outlier", 3, 128, 128, List.of(1, 0, 0.9, 0, 1), new Fill.Outlier(1)));
    cases.add(
        of("live", 4, 200, 200, List.of(1, 0, 1, 0, 1), new Fill.Normal(1)).live(2));
    cases.add(of("greedy", 1, 32000, 32000, greedy, new Fill.Normal(3)).asReal());
    cases.add(of("all", 1, 32000, 32000, List.of(0.7, 50, 0.95, 0.01, 1.1), new Fill.Normal(3))
        .asReal());
    return cases;
  }

  private static Case of(
      String what, int rows, int width, int vocabulary, List<Number> control, Fill logits) {
    return new Case(
        what + " " + rows + "x" + width,
        new Sample(vocabulary),
        List.of(
            TensorType.f32(Shape.of(R, rows, V, width)),
            TensorType.i32(Shape.of(B, 2, MT, 20)),
            TensorType.i32(Shape.of(R, rows)),
            TensorType.i32(Shape.of(R, rows)),
            TensorType.f32(Shape.of(R, rows, I, CONTROLS)),
            TensorType.i32(Shape.of(R, rows, I, 2))),
        List.of(
            logits,
            new Fill.Whole(-3, vocabulary + 2),
            new Fill.Values(1, 0, 0, 1, 1),
            new Fill.Values(19, 0, 7, -1, 3),
            new Fill.Values(control),
            new Fill.Whole(-1000, 1000)));
  }
}
