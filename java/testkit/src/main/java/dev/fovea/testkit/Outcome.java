package dev.fovea.testkit;

/** What came of checking one kernel on one case. */
public sealed interface Outcome {

  /**
   * Every arrangement was right.
   *
   * @param share the largest error as a share of the error allowed, 0 to 1
   */
  record Passed(double share) implements Outcome {}

  /**
   * Something was wrong.
   *
   * @param what went wrong, with the place, the number found and the number expected
   */
  record Failed(String what) implements Outcome {}

  /**
   * Not run.
   *
   * @param reason why the kernel does not take these types
   */
  record Rejected(String reason) implements Outcome {}

  /** The device has no kernel of this op and signature. */
  record Missing() implements Outcome {}
}
