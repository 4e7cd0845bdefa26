package dev.fovea.bench;

import dev.fovea.engine.Prompt;
import dev.fovea.program.Cost;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Reading a prompt of random tokens up to the first token of the answer. */
@State(Scope.Benchmark)
public class PrefillBench {
  @Param({"32", "128", "512"})
  public int length = 32;

  private Prompt prompt = new Prompt(List.of(), List.of());
  private int first;
  private Meter meter = Meter.current();

  @Setup(Level.Trial)
  public void open(OpenDevice device, OpenModel model) {
    prompt = model.prompt(length);
    first = model.first(prompt);
    Cost whole = Cost.of(model.runner().executables().get(1).plan()); // of as many rows as fit
    double share = (double) length / model.runner().sizes().rows();
    meter = Meter.start(0, whole.operations() * share, device.ceilings());
  }

  @Benchmark
  public void run(OpenModel model) {
    long start = System.nanoTime();
    int token = model.first(prompt);
    meter.record(System.nanoTime() - start);
    if (token != first) {
      throw new AssertionError("token " + token + ", at first " + first);
    }
  }
}
