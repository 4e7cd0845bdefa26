package dev.fovea.testkit;

import dev.fovea.backend.Ceilings;
import dev.fovea.backend.Device;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.op.Operands;
import dev.fovea.program.Node;
import dev.fovea.tensor.TensorType;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How fast a device runs an op's largest case of a signature, with the kernel that it selects.
 *
 * @param nanos of one run: of the device's own clock if it has one, else of the host's
 * @param bytes that one run must move, as the op declares
 * @param operations of one run, as the op declares
 * @param ceilings of the device
 */
public record Speed(
    String op,
    String signature,
    String caseName,
    String variant,
    double nanos,
    long bytes,
    double operations,
    Ceilings ceilings) {

  private static final int RUNS = 5;
  private static final long LEAST_NANOS = 30_000_000;

  /** Bytes a second. */
  public double moved() {
    return 1e9 * bytes / nanos;
  }

  /** Operations a second. */
  public double done() {
    return 1e9 * operations / nanos;
  }

  /**
   * The least time that the bytes and the operations take at the device's ceilings, in nanoseconds. A run whose bytes are in a cache may
   * take less.
   */
  public double bound() {
    double read = 1e9 * bytes / ceilings.read();
    double compute = 1e9 * operations / ceilings.operations();
    return Double.isNaN(compute) || read > compute ? read : compute;
  }

  /** Measures each op of that stem, or all, and hands over each as it comes. */
  public static void measure(Device device, String op, Consumer<Speed> to) {
    Ceilings ceilings = device.ceilings();
    for (Op o : CheckReport.named(op)) {
      Map<String, Case> largest = new LinkedHashMap<>();
      for (Case c : o.cases()) {
        largest.merge(Node.signature(c.in(), out(c)), c, (a, b) -> work(b) > work(a) ? b : a);
      }
      for (Map.Entry<String, Case> e : largest.entrySet()) {
        try (KernelRun run = KernelRun.of(device, e.getValue())) {
          if (run != null) {
            to.accept(new Speed(
                o.name(),
                e.getKey(),
                e.getValue().name(),
                run.variant(),
                nanos(device, run),
                run.bytes(),
                run.flops(),
                ceilings));
          }
        }
      }
    }
  }

  private static TensorType out(Case c) {
    return c.op().infer(new Operands(c.op(), c.in()));
  }

  private static double work(Case c) {
    return c.op().bytes(c.in(), out(c)) + c.op().flops(c.in(), out(c));
  }

  /** Of one run: the least of a few means, after one run that is not counted. */
  private static double nanos(Device device, KernelRun run) {
    @Nullable String problem = run.problem();
    if (problem != null) {
      throw new IllegalStateException("a kernel that is wrong has no speed: " + problem);
    }
    long once = Math.max(1, timed(device, run, 1));
    int runs = Math.toIntExact(Math.clamp(LEAST_NANOS / RUNS / once, 1, 1000));
    double best = Double.MAX_VALUE;
    for (int i = 0; i < RUNS; i++) {
      best = Math.min(best, Math.max(1, timed(device, run, runs)) / (double) runs);
    }
    return best;
  }

  private static long timed(Device device, KernelRun run, int runs) {
    boolean clock = device.startClock();
    long start = System.nanoTime();
    for (int i = 0; i < runs; i++) {
      run.run();
    }
    run.settle();
    long elapsed = System.nanoTime() - start;
    return clock ? device.stopClock() : elapsed;
  }
}
