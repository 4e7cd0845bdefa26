package dev.fovea.cli;

import dev.fovea.Cancellation;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.cli.bench.Base;
import dev.fovea.cli.bench.Contest;
import dev.fovea.cli.bench.Gguf;
import dev.fovea.cli.bench.History;
import dev.fovea.cli.bench.LlamaCpp;
import dev.fovea.cli.bench.Machine;
import dev.fovea.cli.bench.Plans;
import dev.fovea.cli.bench.Plot;
import dev.fovea.cli.bench.PythonPeer;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea bench}. */
@Command(
    description = {
      "Measures speed as llama-bench does: ppN reads a prompt of N random tokens, tgN writes N tokens,",
      "ppN+tgM does both; img encodes one picture, ttft is the time to the first token of an answer about",
      "a picture not seen before, ttft-again of a second question about it, load the time to open the",
      "model, rss the most memory held. -d and -npl add @ dN and x N. Each test runs once to warm up and",
      "-r times to count.",
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
      description = "Lengths of prompts; 0 for none. 512 if absent, 128 with --guard.")
  @Nullable
  List<Integer> prompts;

  @Option(
      names = {"-n", "--n-gen"},
      paramLabel = "N",
      split = ",",
      description = "Lengths of answers; 0 for none. 128 if absent, 64 with --guard.")
  @Nullable
  List<Integer> answers;

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
      names = "--busy",
      description = "Measure -n also while another process keeps every core busy.")
  boolean busy;

  @Option(
      names = {"-r", "--repetitions"},
      paramLabel = "N",
      description = "How often each test counts.")
  int repetitions = 5;

  @Option(names = "--no-image", description = "Leave out img, ttft and ttft-again.")
  boolean noImage;

  @Option(names = "--no-warmup", description = "Count from the first run.")
  boolean noWarmup;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "md|csv|json|jsonl",
      description = "Form of the result.")
  BenchReport.Form form = BenchReport.Form.MD;

  @Option(
      names = "--vs",
      paramLabel = "llama.cpp|pytorch|onnxruntime",
      description = {
        "Run that one too, on the same files, in turns, and print the ratio of times with its confidence",
        "interval."
      })
  @Nullable
  String vs;

  @Option(
      names = "--guard",
      paramLabel = "COMMIT",
      description = {
        "Build that commit beside this one and measure both in turns; exit with 1 if this one is slower",
        "than allowed beyond doubt."
      })
  @Nullable
  String guard;

  @Option(
      names = "--allow",
      paramLabel = "PERCENT",
      description = "How much slower --guard lets a test be; 5 if absent.")
  double allow = 5;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = {
        "Turns of --vs and --guard, at least 10; 12 if absent. --guard takes up to three times as many",
        "while a test is in doubt."
      })
  int rounds = 12;

  @Option(
      names = "--plot",
      paramLabel = "FILE.svg",
      description =
          "Draw the time of a token over the context (-d), and the history of this model.")
  @Nullable
  Path plot;

  @Option(
      names = "--history",
      paramLabel = "FILE",
      description = "The history that --record and --plot use.")
  @Nullable
  Path history;

  @Option(names = "--record", description = "Add the results to the history, bench/history.jsonl.")
  boolean record;

  @Option(
      names = "--plans",
      paramLabel = "DIR",
      description =
          "Write the demo model's plans and their exact costs there, and measure nothing.")
  @Nullable
  Path plans;

  private static final List<String> PEERS = List.of("llama.cpp", "pytorch", "onnxruntime");
  private static final double CONFIDENCE = 0.99;
  private static final int LOOKS = 3; // of --guard

  private final Shell shell;
  private Cancellation cancel = new Cancellation();

  Bench(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    if (repetitions < 1 || repetitions > 1000) {
      throw InputException.mismatch("-r", "1 to 1000", repetitions);
    }
    if ((vs != null || guard != null) && (rounds < 10 || rounds > 1000)) {
      throw InputException.mismatch(
          "--rounds", "10 (99 % confidence in three looks needs them) to 1000", rounds);
    }
    if (vs != null && !PEERS.contains(vs)) {
      throw InputException.mismatch("--vs", "llama.cpp, pytorch or onnxruntime", vs);
    }
    if (plans != null) {
      return writePlans(plans);
    }
    if (guard != null) {
      return guard(guard);
    }
    List<BenchTests.Load> loads = loads();
    int longest = loads.stream().mapToInt(BenchTests.Load::positions).max().orElse(0);
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
      BenchTests all = new BenchTests(fovea, arena, cancel);
      List<BenchTests.Test> tests = new ArrayList<>();
      loads.forEach(l -> tests.add(all.tokens(l)));
      if (!noImage) {
        tests.addAll(all.pictures());
      }
      tests.add(BenchTests.load(model.path(shell), options));
      BenchReport report = new BenchReport(fovea, model.path(shell), commit());
      return vs == null ? alone(tests, report) : versus(vs, fovea, tests, loads, report);
    }
  }

  private int alone(List<BenchTests.Test> tests, BenchReport report) {
    List<BenchReport.Result> results = new ArrayList<>();
    Progress progress = new Progress(shell);
    int done = 0;
    for (BenchTests.Test test : tests) {
      progress.at(done++, tests.size(), test.name());
      results.add(measure(report.fovea(), test));
    }
    progress.end();
    shell.out().print(report.text(results, form));
    History past = new History(history == null ? root().resolve("bench/history.jsonl") : history);
    if (record) {
      past.append(report.lines(results));
      shell.err().println("added " + results.size() + " lines to " + past.file());
    }
    if (plot != null) {
      String svg =
          Plot.svg(BenchPlots.of(results, past.lines(), report.fovea().info().type()));
      Ask.write(plot, svg.getBytes(StandardCharsets.UTF_8));
      shell.err().println("wrote " + plot);
    }
    return 0;
  }

  private BenchReport.Result measure(Fovea fovea, BenchTests.Test test) {
    if (!noWarmup) {
      long _ = test.work().nanos();
    }
    Instant at = Instant.now().truncatedTo(ChronoUnit.SECONDS);
    List<Long> samples = new ArrayList<>();
    for (int i = 0; i < repetitions; i++) {
      samples.add(test.work().nanos());
    }
    // Once more by the device's clock, which would slow the runs that count down.
    OptionalLong device = test.opens()
        ? OptionalLong.empty()
        : fovea.deviceNanos(() -> test.work().nanos());
    return new BenchReport.Result(test, samples, device, at, Machine.peakBytes("self"));
  }

  private List<BenchTests.Load> loads() {
    List<BenchTests.Load> loads = new ArrayList<>();
    for (int d : depths) {
      orElse(prompts, 512).forEach(n -> loads.add(new BenchTests.Load(n, 0, d, 1)));
      for (int many : parallel) {
        orElse(answers, 128).forEach(n -> loads.add(new BenchTests.Load(0, n, d, many)));
      }
      pairs.forEach(p -> loads.add(pair(p, d)));
      if (busy) {
        orElse(answers, 128).forEach(n -> loads.add(new BenchTests.Load(0, n, d, 1, true)));
      }
    }
    for (BenchTests.Load l : loads) {
      for (int n : new int[] {l.prompt(), l.answer(), l.depth()}) {
        if (n < 0 || n > 1 << 20) {
          throw InputException.mismatch("length of a test", "0 to " + (1 << 20), n);
        }
      }
      if (l.sequences() < 1 || l.sequences() > 256) {
        throw InputException.mismatch("-npl", "1 to 256", l.sequences());
      }
    }
    loads.removeIf(l -> l.units() == 0);
    return loads;
  }

  private static List<Integer> orElse(@Nullable List<Integer> given, int otherwise) {
    return given == null ? List.of(otherwise) : given;
  }

  private static BenchTests.Load pair(String pair, int depth) {
    String[] parts = pair.split(",", -1);
    try {
      return new BenchTests.Load(
          Integer.parseInt(parts[0].strip()), Integer.parseInt(parts[1].strip()), depth, 1);
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw InputException.mismatch("-pg", "two lengths N,M", "'" + pair + "'");
    }
  }

  private String commit() {
    return System.getProperty("fovea.root") == null
        ? Version.number()
        : Machine.commit(root(), Version.number());
  }

  private static Path root() {
    return Path.of(System.getProperty("fovea.root", "."));
  }

  private int writePlans(Path to) {
    Map<String, String> texts = Plans.of(model.path(shell));
    try {
      Files.createDirectories(to);
    } catch (IOException e) {
      throw new InputException(to + " cannot be made: " + e.getMessage());
    }
    texts.forEach(
        (name, text) -> Ask.write(to.resolve(name), text.getBytes(StandardCharsets.UTF_8)));
    shell.err().println("wrote " + to + ": " + texts.keySet());
    return 0;
  }

  /** This checkout against another commit of it. */
  private int guard(String commit) {
    if (System.getProperty("fovea.root") == null) {
      throw new InputException(
          "--guard builds another commit: expected a checkout, this is a bundle");
    }
    if (!(allow >= 0 && allow <= 1000)) {
      throw InputException.mismatch("--allow", "0 to 1000 percent", allow);
    }
    String id = Base.commit(root(), commit);
    shell.err().println("building " + commit + ", " + id.substring(0, 12));
    Path base = Base.build(root(), id);
    List<String> arguments = new ArrayList<>(List.of(
        "-m",
        model.path(shell).toAbsolutePath().toString(),
        "-p",
        joined(orElse(prompts, 128)),
        "-n",
        joined(orElse(answers, 64)),
        "-d",
        joined(depths),
        "-npl",
        joined(parallel),
        "-r",
        String.valueOf(repetitions),
        "-o",
        "jsonl",
        "--backend",
        model.backend,
        "-t",
        String.valueOf(model.threads)));
    pairs.forEach(p -> arguments.addAll(List.of("-pg", p)));
    if (model.cacheType != null) {
      arguments.addAll(List.of("--cache-type", model.cacheType));
    }
    if (noImage) {
      arguments.add("--no-image");
    }
    if (busy) {
      arguments.add("--busy");
    }
    double allowed = allow / 100;
    List<Contest.Outcome> outcomes = new Contest(rounds, LOOKS, CONFIDENCE)
        .run(Base.side(base, arguments), Base.side(root(), arguments), o -> o.decided(allowed));
    if (outcomes.isEmpty()) {
      throw new InputException("--guard: " + commit + " and this commit have no test in common");
    }
    shell
        .out()
        .print(BenchReport.contest(
            commit,
            commit(),
            outcomes,
            form,
            o -> o.slower(allowed)
                ? "SLOWER"
                : o.within(allowed) ? "ok" : "not shown to be slower"));
    List<String> slower = outcomes.stream()
        .filter(o -> o.slower(allowed))
        .map(o -> o.test() + " takes " + o.ratio() + " times as long")
        .toList();
    if (slower.isEmpty()) {
      return 0;
    }
    Main.fail(
        shell,
        String.format(Locale.ROOT, "slower than %s by more than %.1f %%: ", commit, allow)
            + String.join("; ", slower));
    return Main.FAILED;
  }

  private static String joined(List<Integer> numbers) {
    return numbers.stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  private int versus(
      String name,
      Fovea fovea,
      List<BenchTests.Test> tests,
      List<BenchTests.Load> loads,
      BenchReport report) {
    int threads = Integer.parseInt(report.threads());
    Gguf files = Gguf.of(model.path(shell), model.mmproj);
    switch (name) {
      case "llama.cpp" -> {
        LlamaCpp peer = new LlamaCpp(
            shell.env(), files, threads, llamaBench(loads), busyLlamaBench(), this::asks);
        contest(name, tests, peer, report);
        String without = peer.withoutPictures();
        if (without != null && !noImage) {
          shell.err().println("llama.cpp has no figures of pictures and loading: " + without);
        }
        if (peer.peakBytes() > 0 && form == BenchReport.Form.MD) {
          shell
              .out()
              .println("rss: Fovea " + Sizes.bytes(Machine.peakBytes("self")) + ", llama-server "
                  + Sizes.bytes(peer.peakBytes()) + ", model "
                  + Sizes.bytes(fovea.info().bytes()));
        }
      }
      default -> {
        if (files.mmproj() == null) {
          throw new InputException(
              "--vs " + name + ": expected an mmproj file beside " + files.decoder());
        }
        try (PythonPeer peer =
            new PythonPeer(shell.env(), root().toAbsolutePath(), name, files.mmproj(), threads)) {
          contest(
              peer.about(),
              tests.stream().filter(t -> t.name().equals("img")).toList(),
              peer,
              report);
        }
      }
    }
    return 0;
  }

  /** Fovea first in odd rounds, the peer in even ones; every test runs once to warm up. */
  private void contest(
      String name, List<BenchTests.Test> tests, Contest.Side peer, BenchReport report) {
    for (BenchTests.Test t : tests) {
      long _ = t.work().nanos();
    }
    Contest.Side fovea = () -> {
      Map<String, Double> times = new LinkedHashMap<>();
      tests.forEach(t -> times.put(t.name(), (double) t.work().nanos()));
      return times;
    };
    List<Contest.Outcome> outcomes = new Contest(rounds, 1, CONFIDENCE).run(fovea, peer, _ -> true);
    shell
        .out()
        .print(BenchReport.contest(
            "Fovea",
            name,
            outcomes,
            form,
            o -> o.ratio().low() > 1
                ? "Fovea is faster"
                : o.ratio().high() < 1 ? "Fovea is slower" : "no difference shown"));
    if (form == BenchReport.Form.MD) {
      shell.out().print(report.machine());
    }
  }

  /** What llama-bench is told to do; it has no sequences at once. */
  private List<String> llamaBench(List<BenchTests.Load> loads) {
    if (loads.isEmpty()) {
      return List.of();
    }
    List<String> words = new ArrayList<>(List.of(
        "-p",
        joined(orElse(prompts, 512)),
        "-n",
        joined(orElse(answers, 128)),
        "-d",
        joined(depths)));
    pairs.forEach(p -> words.addAll(List.of("-pg", p)));
    return words;
  }

  private List<String> busyLlamaBench() {
    return busy
        ? List.of("-p", "0", "-n", joined(orElse(answers, 128)), "-d", joined(depths))
        : List.of();
  }

  private long asked = 1_000_000; // pictures that Fovea is not asked about

  private List<LlamaCpp.Ask> asks() {
    String picture = BenchPictures.dataUri(BenchTests.picture(++asked));
    return List.of(
        new LlamaCpp.Ask(picture, BenchTests.question(asked)),
        new LlamaCpp.Ask(picture, BenchTests.question(++asked)));
  }
}
