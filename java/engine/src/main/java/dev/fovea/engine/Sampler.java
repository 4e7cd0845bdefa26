package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.Sampling;
import java.lang.foreign.MemorySegment;

/** Chooses tokens for one answer. Allocates only when it is made. */
public final class Sampler {
  private final Sampling sampling;
  private final int vocabulary;
  private final float[] logits;
  private final boolean[] seen;
  private final int[] heap;
  private int heapSize;
  private long draws;

  /** vocabulary: ids from 0 to here may be chosen; padding rows of the head beyond it never are. */
  public Sampler(Sampling sampling, int vocabulary) {
    this.sampling = sampling;
    this.vocabulary = vocabulary;
    this.logits = new float[vocabulary];
    this.seen = new boolean[vocabulary];
    this.heap = new int[vocabulary];
  }

  /** Counts a token as seen before, for the repetition penalty. */
  public void see(int id) {
    if (id >= 0 && id < vocabulary) {
      seen[id] = true;
    }
  }

  /** The next token for these logits [V]. */
  public int next(MemorySegment row) {
    MemorySegment.copy(row, JAVA_FLOAT, 0, logits, 0, vocabulary);
    if (sampling.repetitionPenalty() != 1) {
      float penalty = (float) sampling.repetitionPenalty();
      for (int i = 0; i < vocabulary; i++) {
        if (seen[i]) {
          logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
        }
      }
    }
    int id = sampling.temperature() == 0 ? argmax() : draw();
    see(id);
    return id;
  }

  /** The first of the largest. */
  private int argmax() {
    int best = 0;
    for (int i = 1; i < vocabulary; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  private int draw() {
    float max = logits[argmax()];
    double total = 0;
    for (int i = 0; i < vocabulary; i++) {
      // Probabilities up to a common factor, in place of the logits.
      logits[i] = (float) Math.exp((logits[i] - max) / sampling.temperature());
      if (logits[i] < sampling.minP()) {
        logits[i] = 0;
      }
      total += logits[i];
    }
    double u = uniform();
    if (sampling.topK() == 0 && sampling.topP() == 1) {
      double at = u * total;
      int last = 0;
      for (int i = 0; i < vocabulary; i++) {
        if (logits[i] > 0) {
          last = i;
          at -= logits[i];
          if (at < 0) {
            return i;
          }
        }
      }
      return last;
    }
    return drawFromTop(u);
  }

  /** Takes tokens in order of likelihood until k or the p of those are there, then draws among them. */
  private int drawFromTop(double u) {
    heapSize = 0;
    for (int i = 0; i < vocabulary; i++) {
      if (logits[i] > 0) {
        heap[heapSize++] = i;
      }
    }
    for (int i = heapSize / 2 - 1; i >= 0; i--) {
      sink(i);
    }
    int k = sampling.topK() == 0 ? heapSize : Math.min(sampling.topK(), heapSize);
    // Popped entries collect behind the heap, the most likely at the very end.
    int end = heapSize;
    double kept = 0;
    for (int i = 0; i < k; i++) {
      kept += logits[pop()];
    }
    double reach = kept * sampling.topP();
    double sum = 0;
    int first = end;
    while (first > end - k && sum < reach) {
      sum += logits[heap[--first]];
    }
    double at = u * sum;
    for (int i = end - 1; i > first; i--) {
      at -= logits[heap[i]];
      if (at < 0) {
        return heap[i];
      }
    }
    return heap[first];
  }

  private int pop() {
    int top = heap[0];
    heap[0] = heap[--heapSize];
    heap[heapSize] = top;
    sink(0);
    return top;
  }

  private void sink(int i) {
    while (true) {
      int child = 2 * i + 1;
      if (child >= heapSize) {
        return;
      }
      if (child + 1 < heapSize && before(heap[child + 1], heap[child])) {
        child++;
      }
      if (!before(heap[child], heap[i])) {
        return;
      }
      int t = heap[i];
      heap[i] = heap[child];
      heap[child] = t;
      i = child;
    }
  }

  /** More likely first; of equals the smaller id, so that the order does not depend on the heap. */
  private boolean before(int a, int b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  }

  /** Counter-based: the n-th draw depends on the seed and n alone. Steele, Lea and Flood 2014, SplitMix64. */
  private double uniform() {
    long z = sampling.seed() + ++draws * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return (z >>> 11) * 0x1p-53;
  }
}
