package dev.fovea.op;

import java.util.List;

/** What a test case puts into an input. */
public sealed interface Fill {

  /** Normal deviates times a scale. */
  record Normal(double scale) implements Fill {}

  /** The same number everywhere. */
  record Constant(double value) implements Fill {}

  /** Normal deviates times a scale, and one element of 1000 times that size per row. */
  record Outlier(double scale) implements Fill {}

  /** Whole numbers drawn from [low, high]. */
  record Whole(int low, int high) implements Fill {}

  /** start, start+1, … */
  record Range(int start) implements Fill {}

  /** A permutation of 0 … n−1, so that no two entries agree. */
  record Distinct() implements Fill {}

  /** These numbers, over and over. */
  record Values(List<? extends Number> values) implements Fill {
    public Values(Number... values) {
      this(List.of(values));
    }
  }
}
