package dev.fovea.cli;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.BackendException;
import dev.fovea.op.Case;
import dev.fovea.testkit.CaseFile;
import dev.fovea.testkit.CheckReport;
import dev.fovea.testkit.Mutant;
import dev.fovea.testkit.Mutants;
import dev.fovea.testkit.OpTable;
import dev.fovea.testkit.Speed;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fovea check}. */
@Command(
    description = {
      "Checks each kernel of a backend against its op's definition: values within the bound that the",
      "arithmetic allows, nothing else touched, equal bits on any number of threads.",
      "cuda-emulated runs the cuda backend's kernels on the processor, which is slow; name an op.",
      ""
    })
final class Check implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Parameters(paramLabel = "OP", arity = "0..1", description = "The op to check; all if absent.")
  String op = "";

  @Option(names = "--backend", paramLabel = "NAME", description = "The backend to check.")
  String backend = "cpu";

  @Option(
      names = {"--tier", "--cpu-tier"},
      paramLabel = "TIER",
      description = "Highest instruction set (cpu) or compute capability (cuda: 80, 90, …) to use.")
  @Nullable
  String tier;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      description = "Which device of the opencl backend: its index or a part of its name.")
  @Nullable
  String device;

  @Option(
      names = "--mutants",
      description = "First make sure that kernels which are wrong on purpose are caught.")
  boolean mutants;

  @Option(names = "--small", description = "Leave out the cases of real size.")
  boolean small;

  @Option(
      names = "--case",
      paramLabel = "TEXT",
      description = "Only the cases whose names have this in them; --verbose shows the names.")
  String named = "";

  @Option(
      names = "--bench",
      description = {
        "Then measure each op's largest case of a signature: its time, what it moves and computes, and",
        "these as a share of what the device was measured to reach; bound is the greater of the two. What",
        "fits into a cache can be faster than memory."
      })
  boolean bench;

  @Option(
      names = "--docs",
      paramLabel = "FILE",
      description = "Write the table of ops and kernels there, and check nothing.")
  @Nullable
  Path docs;

  @Option(
      names = "--record",
      paramLabel = "FILE",
      description = {
        "Write the cases but for those of real size there, with what is",
        "expected of them, and check nothing: for kernels where there is no",
        "Java (native/test/replay.cpp)."
      })
  @Nullable
  Path record;

  private final Shell shell;

  Check(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    if (docs != null) {
      return table(docs);
    }
    if (record != null) {
      int cases = CaseFile.write(record, CheckReport.named(op));
      shell.err().println("wrote " + cases + " cases to " + record);
      return 0;
    }
    if (mutants && !allCaught()) {
      return Main.FAILED;
    }
    List<Device> devices = new ArrayList<>();
    try {
      // The cpu's kernels must give equal bits on any number of threads; the others have no threads
      // to choose.
      for (int threads = 1; threads <= (backend.equals("cpu") ? 3 : 1); threads++) {
        devices.add(Backend.named(backend).open(new DeviceOptions(threads, tier, device)));
      }
      CheckReport report = CheckReport.run(devices, op, this::wanted, line -> {
        if (flags.verbose) {
          shell.err().println(line);
        }
      });
      report.summary().forEach(shell.out()::println);
      report.failures().forEach(r -> shell.out().println(CheckReport.line(r)));
      if (!report.passed()) {
        Main.fail(
            shell, report.failures().size() + " of " + report.results().size() + " checks failed");
        return Main.FAILED;
      }
      if (bench) {
        shell.out().print(speeds(devices.getLast()));
      }
      return 0;
    } finally {
      devices.forEach(Device::close);
    }
  }

  private boolean wanted(Case c) {
    return (!small || !c.real()) && c.name().contains(named);
  }

  private Table speeds(Device on) {
    Table table = new Table(
        "op",
        "signature",
        "case",
        "kernel",
        ">µs",
        ">GB/s",
        ">of memory",
        ">GOP/s",
        ">of arithmetic",
        ">of the bound");
    Progress progress = new Progress(shell);
    int[] done = new int[1];
    Speed.measure(on, op, s -> {
      progress.at(done[0]++, 0, s.op());
      table.row(
          s.op(),
          s.signature(),
          s.caseName(),
          s.variant(),
          String.format(Locale.ROOT, "%.1f", s.nanos() / 1e3),
          String.format(Locale.ROOT, "%.1f", s.moved() / 1e9),
          percent(s.moved() / s.ceilings().read()),
          String.format(Locale.ROOT, "%.1f", s.done() / 1e9),
          percent(s.done() / s.ceilings().operations()),
          percent(s.bound() / s.nanos()));
    });
    progress.end();
    return table;
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "" : String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  private boolean allCaught() {
    int caught = 0;
    List<String> missed = new ArrayList<>();
    for (Mutant m : Mutants.wrong()) {
      if (op.isEmpty() || m.op().equals(op)) {
        boolean[] failed = new boolean[1];
        m.check(r -> failed[0] |= r.failed());
        if (failed[0]) {
          caught++;
        } else {
          missed.add(m.toString());
        }
      }
    }
    shell.out().println("mutants: " + caught + " caught, " + missed.size() + " missed");
    missed.forEach(m -> shell.out().println("MISSED: " + m));
    if (!missed.isEmpty()) {
      Main.fail(shell, missed.size() + " wrong kernels were not caught");
    }
    return missed.isEmpty();
  }

  /** The table is of what this build has; the cuda backend's kernels are read where they run without a GPU. */
  private int table(Path to) {
    List<Device> devices = new ArrayList<>();
    try {
      for (Backend b : Backend.all()) {
        if (!OpTable.lists(b.name())) {
          continue;
        }
        String problem = b.unavailable();
        if (problem != null) {
          throw new BackendException(
              "the table needs every backend of this build; " + b.name() + ": " + problem);
        }
        devices.add(b.open(DeviceOptions.DEFAULT));
      }
      Ask.write(to, OpTable.text(devices).getBytes(StandardCharsets.UTF_8));
      shell.err().println("wrote " + to);
      return 0;
    } finally {
      devices.forEach(Device::close);
    }
  }
}
