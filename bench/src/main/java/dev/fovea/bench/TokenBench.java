package dev.fovea.bench;

import dev.fovea.engine.Steps;
import dev.fovea.program.Cost;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One token of each of {@code batch} sequences behind {@code context} positions: the latency of decoding. */
@State(Scope.Benchmark)
public class TokenBench {
  @Param({"0", "128", "512", "1024"})
  public int context;

  @Param({"1", "4", "16"})
  public int batch = 1;

  private @Nullable Steps steps;
  private int[] first = {};
  private Meter meter = Meter.current();

  @Setup(Level.Trial)
  public void open(OpenDevice device, OpenModel model) {
    steps = model.runner().steps(batch, context + 1);
    first = token();
    for (int t : first) {
      if (t < 0 || t >= model.runner().sizes().vocabulary()) {
        throw new AssertionError("token " + t + " of " + model.runner().sizes().vocabulary());
      }
    }
    Cost cost = Cost.of(steps.plan());
    meter = Meter.start((double) cost.bytes(), cost.operations(), device.ceilings());
  }

  private int[] token() {
    if (steps == null) {
      throw new IllegalStateException("not set up");
    }
    steps.run(context, 1);
    return steps.tokens();
  }

  @Benchmark
  public void run() {
    long start = System.nanoTime();
    int[] tokens = token();
    meter.record(System.nanoTime() - start);
    if (!Arrays.equals(tokens, first)) {
      throw new AssertionError(
          "tokens " + Arrays.toString(tokens) + ", at first " + Arrays.toString(first));
    }
  }

  @TearDown(Level.Trial)
  public void close() {
    if (steps != null) {
      steps.close();
    }
  }
}
