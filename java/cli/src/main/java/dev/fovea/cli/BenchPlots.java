package dev.fovea.cli;

import dev.fovea.cli.bench.Plot;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What {@code fovea bench --plot} draws. */
final class BenchPlots {
  private BenchPlots() {}

  /**
   * Time of a token over context, a line for each number of sequences; and what the history says of each test of this model, by commit.
   *
   * @param history lines of JSON
   * @param modelType lines of other models do not count
   */
  static List<Plot> of(List<BenchReport.Result> results, List<String> history, String modelType) {
    Map<Integer, TreeMap<Integer, Double>> tokens = new TreeMap<>();
    for (BenchReport.Result r : results) {
      BenchTests.Load l = r.test().load();
      if (l.answer() > 0 && l.prompt() == 0) {
        // The middle of the positions that were written.
        tokens
            .computeIfAbsent(l.sequences(), _ -> new TreeMap<>())
            .put(l.depth() + l.answer() / 2, r.nanos() / 1e6 / l.answer());
      }
    }
    List<Plot> plots = new ArrayList<>();
    List<Plot.Line> lines = new ArrayList<>();
    tokens.forEach((sequences, points) -> lines.add(new Plot.Line(
        sequences == 1 ? "one sequence" : sequences + " sequences",
        points.entrySet().stream()
            .map(e -> new Plot.Point(e.getKey(), e.getValue()))
            .toList(),
        List.of())));
    if (!lines.isEmpty()) {
      plots.add(
          new Plot("Time of a token, " + modelType, "positions before it", "milliseconds", lines));
    }
    Plot past = history(history, modelType);
    if (!past.lines().isEmpty()) {
      plots.add(past);
    }
    return plots;
  }

  /** Every test's time in percent of what it took when it was first noted. */
  private static Plot history(List<String> lines, String modelType) {
    List<String> commits = new ArrayList<>();
    Map<String, Map<Integer, Double>> tests = new LinkedHashMap<>();
    for (String line : lines) {
      JsonNode row = JsonMapper.shared().readTree(line);
      if (!row.path("model_type").asString("").equals(modelType)) {
        continue;
      }
      String commit = row.path("build_commit").asString("");
      if (!commits.contains(commit)) {
        commits.add(commit);
      }
      tests
          .computeIfAbsent(row.path("test").asString(""), _ -> new TreeMap<>())
          .put(commits.indexOf(commit) + 1, row.path("avg_ns").asDouble());
    }
    List<Plot.Line> drawn = new ArrayList<>();
    tests.forEach((test, times) -> {
      double first = times.values().iterator().next();
      drawn.add(new Plot.Line(
          test,
          times.entrySet().stream()
              .map(e -> new Plot.Point(e.getKey(), 100 * e.getValue() / first))
              .toList(),
          times.keySet().stream().map(i -> shortened(commits.get(i - 1))).toList()));
    });
    return new Plot("History, " + modelType, "commit", "time, % of the first", drawn);
  }

  private static String shortened(String commit) {
    return commit.length() > 8 ? commit.substring(0, 8) : commit;
  }
}
