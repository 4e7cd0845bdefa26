package dev.fovea.bench;

import dev.fovea.backend.Ceilings;
import dev.fovea.backend.Executable;
import dev.fovea.engine.Steps;
import dev.fovea.program.Trace;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What it costs to leave Java: a run of a program without steps, which is a Panama downcall and nothing else, and a whole decode step. */
@State(Scope.Benchmark)
public class BindingBench {
  private static final int CALLS = 1000; // a call is far shorter than asking for the time

  private @Nullable Executable nothing;
  private @Nullable Steps steps;
  private int first;
  private Meter meter = Meter.current();

  @Setup(Level.Trial)
  public void open(OpenDevice device, OpenModel model) {
    Executable empty = device.compile(new Trace("nothing").program());
    nothing = empty;
    if (!empty.plan().steps().isEmpty()) {
      throw new AssertionError("an empty program has steps: " + empty.plan());
    }
    Steps one = model.runner().steps(1, 2);
    steps = one;
    one.run(0, 1);
    first = one.tokens()[0];
    meter = Meter.start(0, 0, Ceilings.UNKNOWN);
  }

  /** The percentiles are of {@value #CALLS} calls. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void downcall() {
    Executable empty = nothing;
    if (empty == null) {
      throw new IllegalStateException("not set up");
    }
    long start = System.nanoTime();
    for (int i = 0; i < CALLS; i++) {
      empty.run(); // throws if the call's status is not success
    }
    meter.record(System.nanoTime() - start);
  }

  @Benchmark
  public void step() {
    if (steps == null) {
      throw new IllegalStateException("not set up");
    }
    long start = System.nanoTime();
    steps.run(0, 1);
    meter.record(System.nanoTime() - start);
    int token = steps.tokens()[0];
    if (token != first) {
      throw new AssertionError("token " + token + ", at first " + first);
    }
  }

  @TearDown(Level.Trial)
  public void close() {
    if (steps != null) {
      steps.close();
    }
  }
}
