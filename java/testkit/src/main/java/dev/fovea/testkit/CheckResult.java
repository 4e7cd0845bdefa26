package dev.fovea.testkit;

/**
 * One line of a check.
 *
 * @param device the device in words
 * @param op stem of the op
 * @param signature element types
 * @param variant the kernel, {@code -} if there is none
 * @param caseName the op's case
 * @param outcome what came of it
 */
public record CheckResult(
    String device, String op, String signature, String variant, String caseName, Outcome outcome) {

  public boolean failed() {
    return outcome instanceof Outcome.Failed;
  }
}
