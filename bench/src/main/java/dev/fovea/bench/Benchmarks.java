package dev.fovea.bench;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * JMH's command line with what these benchmarks want in place: {@code ./fovea jmh TokenBench -p backend=cpu -p context=512}. OpBench goes
 * through all real cases, one JMH run for each backend, as they have kernels for different ones.
 */
public final class Benchmarks {
  private Benchmarks() {}

  public static void main(String[] args)
      throws RunnerException, CommandLineOptionException, IOException {
    CommandLineOptions given = new CommandLineOptions(args);
    if (given.shouldHelp() || given.shouldList() || given.shouldListWithParams()) {
      org.openjdk.jmh.Main.main(args);
      return;
    }
    Collection<String> backends = given.getParameter("backend").orElse(fast());
    for (String backend : backends) {
      ChainedOptionsBuilder options = options(given, backend);
      if (!given.getParameter("test").hasValue()) {
        options.param("test", cases(backend).toArray(String[]::new));
      }
      new Runner(options.build()).run();
    }
  }

  /** Average time and percentiles, in one fork. */
  static ChainedOptionsBuilder options(CommandLineOptions given, String backend) {
    ChainedOptionsBuilder options = new OptionsBuilder()
        .parent(given)
        .param("backend", backend)
        .addProfiler(MeterProfiler.class);
    if (!given.getForkCount().hasValue()) {
      options.forks(1);
    }
    if (given.getBenchModes().isEmpty()) {
      options.mode(Mode.AverageTime);
    }
    if (!given.getTimeUnit().hasValue()) {
      options.timeUnit(TimeUnit.MICROSECONDS);
    }
    return options;
  }

  /** What runs here and is made to be fast; the others are run when they are named. */
  private static Collection<String> fast() {
    return Backend.all().stream()
        .filter(b -> b.unavailable() == null)
        .map(Backend::name)
        .filter(name -> !name.equals("reference") && !name.equals("cuda-emulated"))
        .toList();
  }

  /** The real cases that a backend has kernels for. */
  static List<String> cases(String backend) {
    List<String> names = new ArrayList<>();
    try (Device device = Backend.named(backend).open(DeviceOptions.DEFAULT)) {
      OpBench.real().stream()
          .filter(c -> OpBench.runs(device, c))
          .map(OpBench::name)
          .forEach(names::add);
    }
    return names;
  }
}
