package dev.fovea.program;

import dev.fovea.op.Op;

/**
 * What one run of a plan takes, counted and not timed.
 *
 * @param kernels kernel runs
 * @param bytes memory traffic, as the ops declare it: every input read once, every output written once
 * @param operations arithmetic, as the ops declare it
 * @param arenaBytes memory for inputs and results
 */
public record Cost(int kernels, long bytes, double operations, long arenaBytes) {

  public static Cost of(Plan plan) {
    long bytes = 0;
    double operations = 0;
    for (Plan.Step step : plan.steps()) {
      Node node = step.node();
      Op op = node.op();
      bytes += op.bytes(node.inputTypes(), node.out().type());
      operations += op.flops(node.inputTypes(), node.out().type());
    }
    return new Cost(plan.steps().size(), bytes, operations, plan.arenaBytes());
  }
}
