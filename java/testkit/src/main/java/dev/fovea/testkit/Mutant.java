package dev.fovea.testkit;

import dev.fovea.op.Case;
import dev.fovea.op.Ops;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A kernel in Java that takes the place of an op's definition.
 *
 * @param name what is wrong with it
 * @param op the op it is a kernel of
 * @param kernel makes it afresh, since it may remember earlier runs
 */
public record Mutant(String name, String op, Supplier<Computation> kernel) {

  Mutant(String name, String op, Computation kernel) {
    this(name, op, () -> kernel);
  }

  /** Runs it through the harness, case by case until one fails, and hands over each result. */
  public void check(Consumer<CheckResult> to) {
    boolean[] failed = new boolean[1];
    try (HostDevice device = new HostDevice(name, o -> o.name().equals(op), kernel.get())) {
      Harness harness = new Harness(device);
      for (Case c : cases()) {
        if (!failed[0]) {
          harness.check(c, r -> {
            failed[0] |= r.failed();
            to.accept(r);
          });
        }
      }
    }
  }

  private List<Case> cases() {
    return Ops.all().stream()
        .filter(o -> o.name().equals(op))
        .flatMap(o -> o.cases().stream())
        .toList();
  }

  @Override
  public String toString() {
    return name + " (" + op + ")";
  }
}
