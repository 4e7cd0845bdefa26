package dev.fovea.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FinishReason;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.ModelInfo;
import dev.fovea.Question;
import dev.fovea.Sampling;
import dev.fovea.Session;
import dev.fovea.engine.Decoding;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Prompt;
import dev.fovea.engine.Runner;
import dev.fovea.engine.Steps;
import dev.fovea.error.CancelledException;
import dev.fovea.error.InputException;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.Picture;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea bench}. */
@Command(
    description = {
      "Measures speed as llama-bench does: ppN reads a prompt of N random tokens, tgN writes N tokens,",
      "ppN+tgM does both; img encodes one picture, ttft is the time to the first token of an answer about",
      "a picture not seen before. -d and -npl add @ dN and x N. Each test runs once to warm up and -r times to",
      "count.",
      ""
    })
final class Bench implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Option(
      names = {"-p", "--n-prompt"},
      paramLabel = "N",
      split = ",",
      description = "Lengths of prompts; 0 for none. 512 if absent.")
  List<Integer> prompts = new ArrayList<>(List.of(512));

  @Option(
      names = {"-n", "--n-gen"},
      paramLabel = "N",
      split = ",",
      description = "Lengths of answers; 0 for none. 128 if absent.")
  List<Integer> answers = new ArrayList<>(List.of(128));

  @Option(
      names = {"-pg", "--prompt-gen"},
      paramLabel = "N,M",
      description = "A prompt of N tokens, then an answer of M; repeatable.")
  List<String> pairs = new ArrayList<>();

  @Option(
      names = {"-d", "--n-depth"},
      paramLabel = "N",
      split = ",",
      description = "Positions that are there before a test begins; 0 if absent.")
  List<Integer> depths = new ArrayList<>(List.of(0));

  @Option(
      names = {"-npl", "--n-parallel"},
      paramLabel = "N",
      split = ",",
      description = "Sequences that -n writes at once; 1 if absent.")
  List<Integer> parallel = new ArrayList<>(List.of(1));

  @Option(
      names = {"-r", "--repetitions"},
      paramLabel = "N",
      description = "How often each test counts.")
  int repetitions = 5;

  @Option(names = "--no-image", description = "Leave out img and ttft.")
  boolean noImage;

  @Option(names = "--no-warmup", description = "Count from the first run.")
  boolean noWarmup;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "md|csv|json|jsonl",
      description = "Form of the result.")
  Form form = Form.MD;

  enum Form {
    MD,
    CSV,
    JSON,
    JSONL
  }

  private final Shell shell;
  private Cancellation cancel = new Cancellation();

  Bench(Shell shell) {
    this.shell = shell;
  }

  /**
   * Something to measure.
   *
   * @param prompt tokens read in the counted time
   * @param answer tokens written in it, by each sequence
   * @param depth positions that are there before
   * @param sequences how many write at once
   * @param units what one run counts as, for a rate: tokens, pictures
   */
  private record Test(
      String name, int prompt, int answer, int depth, int sequences, int units, Work work) {}

  /** What a test of tokens does. */
  private record Load(int prompt, int answer, int depth, int sequences) {
    int positions() {
      return depth + prompt + answer;
    }

    String name() {
      String what = Stream.of(prompt > 0 ? "pp" + prompt : "", answer > 0 ? "tg" + answer : "")
          .filter(s -> !s.isEmpty())
          .collect(Collectors.joining("+"));
      return what + (depth > 0 ? " @ d" + depth : "") + (sequences > 1 ? " x " + sequences : "");
    }
  }

  /** Runs once and returns the nanoseconds that count. */
  @FunctionalInterface
  private interface Work {
    long nanos();
  }

  private record Result(Test test, List<Long> samples, Instant at, long peakBytes) {
    double nanos() {
      return samples.stream().mapToLong(Long::longValue).average().orElse(Double.NaN);
    }

    double nanosDeviation() {
      return deviation(samples.stream().map(Long::doubleValue).toList());
    }

    List<Double> rates() {
      return samples.stream().map(ns -> test.units * 1e9 / ns).toList();
    }

    double rate() {
      return rates().stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }
  }

  @Override
  public Integer call() {
    if (repetitions < 1 || repetitions > 1000) {
      throw InputException.mismatch("-r", "1 to 1000", repetitions);
    }
    List<Load> loads = loads();
    int longest = loads.stream().mapToInt(Load::positions).max().orElse(0);
    FoveaOptions options = model.options();
    if (options.context() == 0 && longest > 0) {
      // Enough for the tests and for a question about a picture, as no more memory should count
      // than is needed.
      options = options.toBuilder().context(Math.max(1024, longest + 2)).build();
    }
    try (Interrupt interrupt = new Interrupt();
        Fovea fovea = Fovea.open(model.path(shell), options);
        Arena arena = Arena.ofShared()) {
      cancel = interrupt.cancellation();
      List<Result> results = new ArrayList<>();
      Progress progress = new Progress(shell);
      List<Test> tests = tests(fovea, loads, arena);
      int done = 0;
      for (Test test : tests) {
        progress.at(done++, tests.size(), test.name);
        results.add(measure(test));
      }
      progress.end();
      shell.out().print(print(fovea, results));
      return 0;
    }
  }

  private List<Load> loads() {
    List<Load> loads = new ArrayList<>();
    for (int d : depths) {
      prompts.forEach(n -> loads.add(new Load(n, 0, d, 1)));
      for (int many : parallel) {
        answers.forEach(n -> loads.add(new Load(0, n, d, many)));
      }
      pairs.forEach(p -> loads.add(pair(p, d)));
    }
    for (Load l : loads) {
      for (int n : new int[] {l.prompt, l.answer, l.depth}) {
        if (n < 0 || n > 1 << 20) {
          throw InputException.mismatch("length of a test", "0 to " + (1 << 20), n);
        }
      }
      if (l.sequences < 1 || l.sequences > 256) {
        throw InputException.mismatch("-npl", "1 to 256", l.sequences);
      }
    }
    loads.removeIf(l -> l.prompt + l.answer == 0);
    return loads;
  }

  private static Load pair(String pair, int depth) {
    String[] parts = pair.split(",", -1);
    try {
      return new Load(
          Integer.parseInt(parts[0].strip()), Integer.parseInt(parts[1].strip()), depth, 1);
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw InputException.mismatch("-pg", "two lengths N,M", "'" + pair + "'");
    }
  }

  private List<Test> tests(Fovea fovea, List<Load> loads, Arena arena) {
    List<Test> tests = new ArrayList<>();
    for (Load l : loads) {
      tests.add(new Test(
          l.name(),
          l.prompt,
          l.answer,
          l.depth,
          l.sequences,
          l.prompt + l.answer * l.sequences,
          () -> fovea.compute(g -> l.sequences == 1 ? tokens(g, l) : steps(g, l))));
    }
    if (!noImage) {
      ModelConfig config = fovea.info().config();
      VisionConfig vision = config.vision();
      MemorySegment pixels = arena.allocate(4L * 3 * vision.imageSize() * vision.imageSize(), 64);
      SplittableRandom random = new SplittableRandom(1);
      for (long i = 0; i < pixels.byteSize() / 4; i++) {
        pixels.setAtIndex(JAVA_FLOAT, i, (float) (2 * random.nextDouble() - 1));
      }
      MemorySegment features =
          arena.allocate(4L * vision.features() * config.decoder().width(), 64);
      tests.add(new Test(
          "img",
          0,
          0,
          0,
          1,
          1,
          () -> fovea.compute(g -> {
            long start = System.nanoTime();
            g.runner().encode(pixels, features);
            return System.nanoTime() - start;
          })));
      tests.add(new Test("ttft", 0, 0, 0, 1, 1, () -> firstToken(fovea)));
    }
    return tests;
  }

  /**
   * Reads tokens that no earlier prompt began with, then writes; only what the test is named after counts. What lies before (-d) is read
   * first and then found in the cache.
   */
  private long tokens(Generator generator, Load load) {
    generator.forget();
    int vocabulary = generator.runner().config().decoder().vocabulary();
    SplittableRandom random = new SplittableRandom(7);
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < Math.max(1, load.depth + load.prompt); i++) {
      ids.add(random.nextInt(vocabulary));
    }
    if (load.depth > 0 && load.prompt > 0) {
      Prompt before = new Prompt(ids.subList(0, load.depth), List.of());
      try (Decoding decoding = generator.begin(before, Sampling.GREEDY, 1)) {
        prefill(decoding);
      }
    }
    long start = System.nanoTime();
    try (Decoding decoding =
        generator.begin(new Prompt(ids, List.of()), Sampling.GREEDY, load.answer + 1)) {
      prefill(decoding);
      int _ = decoding.next(); // chosen from the prompt's logits
      if (load.prompt == 0) {
        start = System.nanoTime();
      }
      for (int i = 0; i < load.answer; i++) {
        int _ = decoding.next();
        if (cancel.isCancelled()) {
          throw new CancelledException("the measurement");
        }
      }
    }
    return System.nanoTime() - start;
  }

  private void prefill(Decoding decoding) {
    if (!decoding.prefill(cancel::isCancelled)) {
      throw new CancelledException("the measurement");
    }
  }

  /** Several sequences that write at once, behind random cache contents. */
  private static long steps(Generator generator, Load load) {
    try (Steps steps = generator.runner().steps(load.sequences, load.positions() + 1)) {
      steps.run(load.depth, 1); // builds what the first run builds
      long start = System.nanoTime();
      steps.run(load.depth, load.answer);
      return System.nanoTime() - start;
    }
  }

  private long pictures;

  /** From the question to its first token, about a picture that is new to the caches. */
  private long firstToken(Fovea fovea) {
    int side = 224;
    byte[] rgb = new byte[3 * side * side];
    SplittableRandom random = new SplittableRandom(++pictures);
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) random.nextInt(256);
    }
    try (Session session = fovea.session()) {
      Answer answer = session.ask(
          Question.of("What is this?").picture(new Picture(side, side, rgb)),
          Generation.DEFAULT.withMaxTokens(1).withIgnoreEos(true),
          token -> {},
          cancel);
      if (answer.finishReason() == FinishReason.CANCELLED) {
        throw new CancelledException("the measurement");
      }
      return Math.round(1e6 * answer.timings().firstTokenMs());
    }
  }

  private Result measure(Test test) {
    if (!noWarmup) {
      long _ = test.work.nanos();
    }
    Instant at = Instant.now().truncatedTo(ChronoUnit.SECONDS);
    List<Long> samples = new ArrayList<>();
    for (int i = 0; i < repetitions; i++) {
      samples.add(test.work.nanos());
    }
    return new Result(test, samples, at, peakBytes());
  }

  /** The most memory this process ever had resident; 0 where the system does not say. */
  static long peakBytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(l -> l.startsWith("VmHWM:"))
          .mapToLong(l -> 1024 * Long.parseLong(l.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }

  private static double deviation(List<Double> samples) {
    if (samples.size() < 2) {
      return 0;
    }
    double mean = samples.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    double squares = samples.stream().mapToDouble(s -> (s - mean) * (s - mean)).sum();
    return Math.sqrt(squares / (samples.size() - 1));
  }

  private String print(Fovea fovea, List<Result> results) {
    List<Map<String, Object>> rows = results.stream().map(r -> fields(fovea, r)).toList();
    return switch (form) {
      case MD -> markdown(fovea, results);
      case JSON ->
        rows.stream().map(Json::line).collect(Collectors.joining(",\n  ", "[\n  ", "\n]\n"));
      case JSONL -> rows.stream().map(r -> Json.line(r) + "\n").collect(Collectors.joining());
      case CSV -> csv(rows);
    };
  }

  private static Runner.Sizes sizes(Fovea fovea) {
    return fovea.compute(g -> g.runner().sizes());
  }

  private String markdown(Fovea fovea, List<Result> results) {
    ModelInfo info = fovea.info();
    String kvType = sizes(fovea).kvType().label();
    Table table =
        new Table("model", ">size", ">params", "backend", ">threads", "kv", ">test", ">t/s");
    for (Result r : results) {
      boolean time = r.test.prompt + r.test.answer == 0;
      String value = time
          ? String.format(Locale.ROOT, "%.2f ± %.2f ms", r.nanos() / 1e6, r.nanosDeviation() / 1e6)
          : String.format(Locale.ROOT, "%.2f ± %.2f", r.rate(), deviation(r.rates()));
      row(table, info, fovea, kvType, r.test.name, value);
    }
    long peak = peakBytes();
    if (peak > 0) {
      row(table, info, fovea, kvType, "peak RSS", Sizes.bytes(peak));
    }
    return table.toString();
  }

  private static void row(
      Table table, ModelInfo info, Fovea fovea, String kvType, String test, String value) {
    table.row(
        info.type(),
        Sizes.bytes(info.bytes()),
        Sizes.count(info.parameters()),
        backend(fovea),
        threads(fovea),
        kvType,
        test,
        value);
  }

  private static String backend(Fovea fovea) {
    return fovea.backend().replaceFirst(":.*", "");
  }

  /** As the backend's description says; what was asked for may have been "as many as there are". */
  private static String threads(Fovea fovea) {
    var matcher = Pattern.compile("(\\d+) threads?").matcher(fovea.backend());
    return matcher.find() ? matcher.group(1) : "1";
  }

  /** llama-bench's names; img and ttft are pictures per second, with their time in avg_ns. */
  private Map<String, Object> fields(Fovea fovea, Result r) {
    ModelInfo info = fovea.info();
    Runner.Sizes sizes = sizes(fovea);
    Map<String, Object> f = new LinkedHashMap<>();
    f.put("build_commit", Version.number());
    f.put("cpu_info", cpu());
    f.put("gpu_info", "");
    f.put("backends", backend(fovea));
    f.put("backend_info", fovea.backend());
    f.put("model_filename", model.path(shell).toString());
    f.put("model_type", info.type());
    f.put("model_size", info.bytes());
    f.put("model_n_params", info.parameters());
    f.put("n_batch", sizes.rows());
    f.put("n_ubatch", sizes.rows());
    f.put("n_threads", Integer.valueOf(threads(fovea)));
    f.put("type_k", sizes.kvType().label());
    f.put("type_v", sizes.kvType().label());
    f.put("test", r.test.name);
    f.put("n_prompt", r.test.prompt);
    f.put("n_gen", r.test.answer);
    f.put("n_depth", r.test.depth);
    f.put("n_parallel", r.test.sequences);
    f.put("test_time", r.at.toString());
    f.put("avg_ns", Math.round(r.nanos()));
    f.put("stddev_ns", Math.round(r.nanosDeviation()));
    f.put("avg_ts", r.rate());
    f.put("stddev_ts", deviation(r.rates()));
    f.put("samples_ns", r.samples);
    f.put("samples_ts", r.rates());
    f.put("peak_rss", r.peakBytes);
    f.put("jvm", System.getProperty("java.vm.name") + " " + Runtime.version());
    return f;
  }

  private static String csv(List<Map<String, Object>> rows) {
    StringBuilder out = new StringBuilder();
    for (Map<String, Object> row : rows) {
      if (out.isEmpty()) {
        out.append(String.join(",", row.keySet())).append('\n');
      }
      out.append(row.values().stream()
              .map(v -> '"' + String.valueOf(v).replace("\"", "\"\"") + '"')
              .collect(Collectors.joining(",")))
          .append('\n');
    }
    return out.toString();
  }

  private static String cpu() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(l -> l.startsWith("model name"))
          .map(l -> l.replaceFirst("^[^:]*:\\s*", ""))
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }
}
