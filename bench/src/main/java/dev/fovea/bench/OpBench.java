package dev.fovea.bench;

import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import dev.fovea.testkit.KernelRun;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Every op on the cases that are dims of a real model: those of the check harness, held to the same bounds before and after. */
@State(Scope.Benchmark)
public class OpBench {
  /** {@code op/case}; {@link Benchmarks} puts every real case in. */
  @Param("linear/q4_0 1x4096x512 Normal[scale=1.0]")
  public String test = "";

  private @Nullable KernelRun run;
  private Meter meter = Meter.current();

  /** Every case that is worth timing. */
  static List<Case> real() {
    return Ops.all().stream()
        .flatMap(op -> op.cases().stream())
        .filter(Case::real)
        .toList();
  }

  /** As {@code -p test=…} takes it, which separates several by commas: a case's own become semicolons. */
  static String name(Case c) {
    return (c.op().name() + "/" + c.name()).replace(',', ';');
  }

  @Setup(Level.Trial)
  public void open(OpenDevice device) {
    Case found = real().stream()
        .filter(c -> name(c).equals(test))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no case '" + test + "': there are "
            + real().stream().map(OpBench::name).toList()));
    run = KernelRun.of(device.device(), found);
    if (run == null) {
      throw new IllegalStateException(
          device.backend + " has no kernel for " + found.op().name() + " " + found.name());
    }
    verify();
    meter = Meter.start((double) run.bytes(), run.flops(), device.ceilings());
  }

  /** Whether a device can run a case at all; fused ops have kernels only where they pay. */
  static boolean runs(dev.fovea.backend.Device device, Case c) {
    Op op = c.op();
    return device.select(op, c.in(), op.infer(new dev.fovea.op.Operands(op, c.in()))) != null;
  }

  private KernelRun kernel() {
    if (run == null) {
      throw new IllegalStateException("not set up");
    }
    return run;
  }

  private void verify() {
    String problem = kernel().problem();
    if (problem != null) {
      throw new AssertionError(test + " " + kernel().variant() + ": " + problem);
    }
  }

  @Benchmark
  public void run() {
    long start = System.nanoTime();
    kernel().run();
    meter.record(System.nanoTime() - start);
  }

  @TearDown(Level.Trial)
  public void close() {
    verify();
    kernel().close();
  }
}
