package dev.fovea.cli;

import dev.fovea.Fovea;
import dev.fovea.ModelInfo;
import dev.fovea.cli.bench.Contest;
import dev.fovea.cli.bench.Machine;
import dev.fovea.engine.Runner;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Results as text, in llama-bench's columns and field names.
 *
 * @param path the model's files
 * @param commit what was measured
 */
record BenchReport(Fovea fovea, Path path, String commit) {

  enum Form {
    MD,
    CSV,
    JSON,
    JSONL
  }

  /**
   * A test's figures.
   *
   * @param device nanoseconds that the device computed in one more run, by its own clock; empty if it has none
   */
  record Result(
      BenchTests.Test test, List<Long> samples, OptionalLong device, Instant at, long peakBytes) {
    double nanos() {
      return samples.stream().mapToLong(Long::longValue).average().orElse(Double.NaN);
    }

    double nanosDeviation() {
      return deviation(samples.stream().map(Long::doubleValue).toList());
    }

    List<Double> rates() {
      return samples.stream().map(ns -> test.units() * 1e9 / ns).toList();
    }

    double rate() {
      return rates().stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }

    /** Loading and pictures are told as times, tokens as rates. */
    boolean isTime() {
      return test.load().units() == 0;
    }
  }

  static double deviation(List<Double> samples) {
    if (samples.size() < 2) {
      return 0;
    }
    double mean = samples.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    double squares = samples.stream().mapToDouble(s -> (s - mean) * (s - mean)).sum();
    return Math.sqrt(squares / (samples.size() - 1));
  }

  String text(List<Result> results, Form form) {
    List<Map<String, Object>> rows = results.stream().map(this::fields).toList();
    return switch (form) {
      case MD -> markdown(results);
      case JSON ->
        rows.stream().map(Json::line).collect(Collectors.joining(",\n  ", "[\n  ", "\n]\n"));
      case JSONL -> rows.stream().map(r -> Json.line(r) + "\n").collect(Collectors.joining());
      case CSV -> csv(rows);
    };
  }

  /** A line of JSON each. */
  List<String> lines(List<Result> results) {
    return results.stream().map(r -> Json.line(fields(r))).toList();
  }

  private String markdown(List<Result> results) {
    boolean clock = results.stream().anyMatch(r -> r.device().isPresent());
    List<String> header = new ArrayList<>(
        List.of("model", ">size", ">params", "backend", ">threads", "kv", ">test", ">t/s"));
    if (clock) {
      header.set(4, ">units");
      header.add(">device, ms");
    }
    Table table = new Table(header.toArray(String[]::new));
    for (Result r : results) {
      String value = r.isTime()
          ? String.format(Locale.ROOT, "%.2f ± %.2f ms", r.nanos() / 1e6, r.nanosDeviation() / 1e6)
          : String.format(Locale.ROOT, "%.2f ± %.2f", r.rate(), deviation(r.rates()));
      row(table, clock, r.test().name(), value, r.device());
    }
    long peak = Machine.peakBytes("self");
    if (peak > 0) {
      row(table, clock, "rss", Sizes.bytes(peak), OptionalLong.empty());
    }
    return table + machine();
  }

  /** One line about what the figures depend on. */
  String machine() {
    Map<String, Object> m = Machine.fields(fovea.backend());
    String driver = String.valueOf(m.get("driver"));
    return "\n" + m.get("cpu_info") + ", " + m.get("processors") + " processors; "
        + fovea.backend() + "; " + m.get("vector_bits") + "-bit vectors; "
        + (driver.isEmpty() ? "" : driver + "; ") + m.get("jvm") + "; commit " + commit + "\n";
  }

  private void row(Table table, boolean clock, String test, String value, OptionalLong device) {
    ModelInfo info = fovea.info();
    List<String> cells = new ArrayList<>(List.of(
        info.type(),
        Sizes.bytes(info.bytes()),
        Sizes.count(info.parameters()),
        backend(),
        threads(),
        sizes().kvType().label(),
        test,
        value));
    if (clock) {
      cells.add(
          device.isEmpty() ? "" : String.format(Locale.ROOT, "%.2f", device.getAsLong() / 1e6));
    }
    table.row(cells.toArray(String[]::new));
  }

  private Runner.Sizes sizes() {
    return fovea.compute(g -> g.runner().sizes());
  }

  private String backend() {
    return fovea.backend().replaceFirst(":.*", "");
  }

  /** Threads or compute units, as the backend's description says; what was asked for may have been "as many as there are". */
  String threads() {
    var matcher = Pattern.compile("(\\d+) (?:threads?|compute units?)").matcher(fovea.backend());
    return matcher.find() ? matcher.group(1) : "1";
  }

  /** llama-bench's names; loading and pictures are runs per second, with their time in avg_ns. */
  private Map<String, Object> fields(Result r) {
    ModelInfo info = fovea.info();
    Runner.Sizes sizes = sizes();
    BenchTests.Load load = r.test().load();
    Map<String, Object> f = new LinkedHashMap<>();
    f.put("build_commit", commit);
    f.putAll(Machine.fields(fovea.backend()));
    f.put("backends", backend());
    f.put("backend_info", fovea.backend());
    f.put("model_filename", path.toString());
    f.put("model_type", info.type());
    f.put("model_size", info.bytes());
    f.put("model_n_params", info.parameters());
    f.put("n_batch", sizes.rows());
    f.put("n_ubatch", sizes.rows());
    f.put("n_threads", Integer.valueOf(threads()));
    f.put("type_k", sizes.kvType().label());
    f.put("type_v", sizes.kvType().label());
    f.put("test", r.test().name());
    f.put("n_prompt", load.prompt());
    f.put("n_gen", load.answer());
    f.put("n_depth", load.depth());
    f.put("n_parallel", load.sequences());
    f.put("test_time", r.at().toString());
    f.put("avg_ns", Math.round(r.nanos()));
    f.put("stddev_ns", Math.round(r.nanosDeviation()));
    f.put("avg_ts", r.rate());
    f.put("stddev_ts", deviation(r.rates()));
    f.put("samples_ns", r.samples());
    f.put("samples_ts", r.rates());
    r.device().ifPresent(ns -> f.put("device_ns", ns));
    f.put("peak_rss", r.peakBytes());
    return f;
  }

  private static String csv(List<Map<String, Object>> rows) {
    Set<String> names = new LinkedHashSet<>(); // not every row has all
    rows.forEach(row -> names.addAll(row.keySet()));
    StringBuilder out = new StringBuilder(String.join(",", names)).append('\n');
    for (Map<String, Object> row : rows) {
      out.append(names.stream()
              .map(n -> '"' + String.valueOf(row.getOrDefault(n, "")).replace("\"", "\"\"") + '"')
              .collect(Collectors.joining(",")))
          .append('\n');
    }
    return out.toString();
  }

  /**
   * Outcomes of a contest, times in milliseconds.
   *
   * @param verdict what to say of each, in the last column
   */
  static String contest(
      String first,
      String second,
      List<Contest.Outcome> outcomes,
      Form form,
      java.util.function.Function<Contest.Outcome, String> verdict) {
    if (form != Form.MD) {
      StringBuilder lines = new StringBuilder();
      for (Contest.Outcome o : outcomes) {
        Map<String, Object> f = new LinkedHashMap<>();
        f.put("test", o.test());
        f.put("first", first);
        f.put("second", second);
        f.put("first_ns", o.first());
        f.put("second_ns", o.second());
        f.put("ratio", o.ratio().estimate());
        f.put("ratio_low", o.ratio().low());
        f.put("ratio_high", o.ratio().high());
        f.put("verdict", verdict.apply(o));
        lines.append(Json.line(f)).append('\n');
      }
      return lines.toString();
    }
    Table table = new Table(
        "test",
        ">" + first + ", ms",
        ">" + second + ", ms",
        ">time of " + second + " / time of " + first,
        "verdict");
    for (Contest.Outcome o : outcomes) {
      table.row(
          o.test(), millis(o.first()), millis(o.second()), o.ratio().toString(), verdict.apply(o));
    }
    return table.toString();
  }

  private static String millis(List<Double> nanos) {
    return String.format(Locale.ROOT, "%.2f", Contest.Outcome.median(nanos) / 1e6);
  }
}
