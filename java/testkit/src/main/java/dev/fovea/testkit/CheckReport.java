package dev.fovea.testkit;

import dev.fovea.backend.Device;
import dev.fovea.error.InputException;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/** The results of a check, as lines for people and as a verdict. */
public record CheckReport(List<CheckResult> results) {

  public CheckReport {
    results = List.copyOf(results);
  }

  /**
   * Checks ops on devices of one backend and hands over a line per result as it comes.
   *
   * @param op stem of the one op to check; empty for all
   * @throws InputException if there is no such op
   */
  public static CheckReport run(List<? extends Device> devices, String op, Consumer<String> lines) {
    return run(devices, op, false, lines);
  }

  /** The same; small leaves out the cases that are as large as real models make them. */
  public static CheckReport run(
      List<? extends Device> devices, String op, boolean small, Consumer<String> lines) {
    return run(devices, op, c -> !small || !c.real(), lines);
  }

  /** The same, of the cases that are wanted. */
  public static CheckReport run(
      List<? extends Device> devices, String op, Predicate<Case> wanted, Consumer<String> lines) {
    Harness harness = new Harness(devices);
    List<CheckResult> results = new ArrayList<>();
    for (Op o : named(op)) {
      for (Case c : o.cases()) {
        if (wanted.test(c)) {
          harness.check(c, r -> {
            results.add(r);
            lines.accept(line(r));
          });
        }
      }
    }
    return new CheckReport(results);
  }

  /** Checks an op on a device without the cases that are as large as real models make them. */
  public static CheckReport small(Device device, String op) {
    return run(List.of(device), op, true, _ -> {});
  }

  /**
   * The op of that stem, or all.
   *
   * @throws InputException if there is no such op
   */
  public static List<Op> named(String op) {
    List<Op> ops =
        Ops.all().stream().filter(o -> op.isEmpty() || o.name().equals(op)).toList();
    if (ops.isEmpty()) {
      throw InputException.mismatch("op", Ops.all().stream().map(Op::name).toList(), op);
    }
    return ops;
  }

  /** {@code rms_norm f32,f32->f32 [avx2] 3x17 Normal[scale=1.0]: passed, 12.3 % of the bound}. */
  public static String line(CheckResult r) {
    return r.op() + " " + r.signature() + " [" + r.variant() + "] " + r.caseName() + ": "
        + switch (r.outcome()) {
          case Outcome.Passed p -> "passed, " + percent(p.share()) + " of the bound";
          case Outcome.Failed f -> "FAILED: " + f.what();
          case Outcome.Rejected x -> "rejected: " + x.reason();
          case Outcome.Missing _ -> "no kernel";
        };
  }

  /** One line per kernel and device: cases passed, failed and rejected, and the worst share of the bound. */
  public List<String> summary() {
    Map<String, Tally> tallies = new LinkedHashMap<>();
    for (CheckResult r : results) {
      tallies
          .computeIfAbsent(
              r.op() + " " + r.signature() + " [" + r.variant() + "] on " + r.device(),
              _ -> new Tally())
          .add(r.outcome());
    }
    List<String> lines = new ArrayList<>();
    tallies.forEach((kernel, tally) -> lines.add(kernel + ": " + tally));
    return lines;
  }

  /** Whether at least one kernel ran and none failed. */
  public boolean passed() {
    return results.stream().noneMatch(CheckResult::failed)
        && results.stream().anyMatch(r -> r.outcome() instanceof Outcome.Passed);
  }

  public List<CheckResult> failures() {
    return results.stream().filter(CheckResult::failed).toList();
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  private static final class Tally {
    private int passed;
    private int failed;
    private int rejected;
    private int missing;
    private double worst;

    void add(Outcome outcome) {
      switch (outcome) {
        case Outcome.Passed p -> {
          passed++;
          worst = Math.max(worst, p.share());
        }
        case Outcome.Failed _ -> failed++;
        case Outcome.Rejected _ -> rejected++;
        case Outcome.Missing _ -> missing++;
      }
    }

    @Override
    public String toString() {
      if (missing > 0) {
        return "no kernel for " + missing + " cases";
      }
      return passed + " passed" + (failed > 0 ? ", " + failed + " FAILED" : "")
          + (rejected > 0 ? ", " + rejected + " rejected" : "")
          + (passed > 0 ? ", worst " + percent(worst) + " of the bound" : "");
    }
  }
}
