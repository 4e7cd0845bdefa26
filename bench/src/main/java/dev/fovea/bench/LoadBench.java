package dev.fovea.bench;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.backend.Ceilings;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Opening a model whose files the system has in memory, until a question can be asked. */
@State(Scope.Benchmark)
public class LoadBench {
  @Param("")
  public String model = "";

  @Param("cpu")
  public String backend = "cpu";

  private Meter meter = Meter.current();

  @Setup(Level.Trial)
  public void open() {
    meter = Meter.start(0, 0, Ceilings.UNKNOWN);
  }

  @Benchmark
  public void run() {
    long start = System.nanoTime();
    try (Fovea fovea = Fovea.open(
        OpenModel.path(model),
        FoveaOptions.builder().backend(backend).context(1024).build())) {
      meter.record(System.nanoTime() - start);
      if (fovea.info().parameters() <= 0) {
        throw new AssertionError("a model without weights");
      }
    }
  }
}
