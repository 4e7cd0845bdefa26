package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FinishReason;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.error.CancelledException;
import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** {@code fovea eval}. */
@Command(
    description = {
      "Measures how often a model is right, on scenes it was not trained on: naming what is in a box or",
      "at a point, reading, colours, what is beside a thing, captions; the second and third question of",
      "one conversation; presence as POPE counts it; and, as ChatSpot's paper does, naming from disturbed",
      "boxes and the ratio of hallucinations.",
      ""
    })
final class Eval implements Callable<Integer> {
  /** Tasks of one conversation about a picture; the first turn is what the other tasks measure. */
  private static final List<String> TURNS = List.of("turn1", "turn2", "turn3");

  private static final List<Double> NOISE = List.of(0.1, 0.2, 0.3);
  /** The paper's, strictly above. */
  private static final double SAME_PLACE = 0.5;
  /** One picture file inside the archive. */
  private static final int MAX_ENTRY = 1 << 26;

  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Parameters(
      paramLabel = "SET",
      description = "What to measure on: demo, or an archive of the same layout.")
  String set = "demo";

  @Option(names = "--limit", paramLabel = "N", description = "Use the first N scenes; 0 for all.")
  int limit;

  @Option(
      names = {"-s", "--seed"},
      paramLabel = "N",
      description = "Seed of the boxes' noise.")
  long seed = 1;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens of an answer.")
  int maxTokens = 48;

  @Option(names = "--no-noise", description = "Leave out the disturbed boxes.")
  boolean noNoise;

  @Option(
      names = "--show",
      paramLabel = "N",
      description = "Show the first N wrong answers on standard error.")
  int show;

  @Option(names = "--json", description = "Print one line of JSON in place of the table.")
  boolean json;

  private final Shell shell;
  private final Map<String, Tally> tallies = new LinkedHashMap<>();
  private final Map<Double, Naming> naming = new LinkedHashMap<>();
  private final Presence presence = new Presence();
  private int shown;

  Eval(Shell shell) {
    this.shell = shell;
  }

  /** Right answers of a task. */
  private static final class Tally {
    int right;
    int asked;

    void add(boolean good) {
      asked++;
      right += good ? 1 : 0;
    }
  }

  /** Naming from boxes with a scale of noise; a hallucination names a thing that is elsewhere at nearly the same place. */
  private static final class Naming {
    final Tally tally = new Tally();
    int hallucinated;
  }

  /** POPE's counts, with yes as the positive answer; an answer that is neither counts as no. */
  private static final class Presence {
    int truePositive;
    int falsePositive;
    int trueNegative;
    int falseNegative;

    int asked() {
      return truePositive + falsePositive + trueNegative + falseNegative;
    }

    void add(boolean there, boolean saidYes) {
      if (there) {
        truePositive += saidYes ? 1 : 0;
        falseNegative += saidYes ? 0 : 1;
      } else {
        falsePositive += saidYes ? 1 : 0;
        trueNegative += saidYes ? 0 : 1;
      }
    }

    double accuracy() {
      return share(truePositive + trueNegative, asked());
    }

    double precision() {
      return share(truePositive, truePositive + falsePositive);
    }

    double recall() {
      return share(truePositive, truePositive + falseNegative);
    }

    double f1() {
      return share(2 * truePositive, 2 * truePositive + falsePositive + falseNegative);
    }

    double yes() {
      return share(truePositive + falsePositive, asked());
    }
  }

  private record Line(
      String image, String task, String question, @Nullable Region region, List<String> accepted) {

    static Line of(Path file, JsonNode node) {
      Region region = null;
      if (node.has("box")) {
        List<Double> b = Scene.numbers(file, node, "box", 4);
        region = new Region.Box(b.get(0), b.get(1), b.get(2), b.get(3), Units.PIXEL);
      } else if (node.has("point")) {
        List<Double> p = Scene.numbers(file, node, "point", 2);
        region = new Region.Point(p.get(0), p.get(1), Units.PIXEL);
      }
      List<String> accepted = new ArrayList<>();
      node.path("answer").forEach(a -> accepted.add(a.asString()));
      return new Line(
          Scene.text(file, node, "image"),
          Scene.text(file, node, "task"),
          Scene.text(file, node, "question"),
          region,
          accepted);
    }
  }

  @Override
  public Integer call() throws IOException {
    Path archive = set.equals("demo")
        ? shell.home().resolve("weights-tools/demo-model/eval/demo-eval.zip")
        : Path.of(set);
    Main.require(archive, "demo, or an archive of scenes");
    try (ZipFile zip = new ZipFile(archive.toFile());
        Interrupt interrupt = new Interrupt();
        Conversation conversation = model.open(shell)) {
      int scenes = run(archive, zip, conversation, interrupt.cancellation());
      shell.out().print(json ? Json.line(figures(scenes)) + "\n" : table(scenes, conversation));
      return 0;
    } catch (java.util.zip.ZipException e) {
      throw new FileException(archive, "is not a readable archive: " + e.getMessage(), e);
    }
  }

  private int run(Path archive, ZipFile zip, Conversation conversation, Cancellation cancel)
      throws IOException {
    Map<String, Scene> scenes = new LinkedHashMap<>();
    Set<String> names = new HashSet<>();
    for (String text : lines(archive, zip, "scenes.jsonl")) {
      Scene scene = Scene.of(archive, Scene.parse(archive, text.getBytes(StandardCharsets.UTF_8)));
      scene.objects().forEach(thing -> names.add(thing.name()));
      if (limit <= 0 || scenes.size() < limit) {
        scenes.put(scene.image(), scene);
      }
    }
    Map<String, List<Line>> questions = new LinkedHashMap<>();
    scenes.keySet().forEach(image -> questions.put(image, new ArrayList<>()));
    for (String text : lines(archive, zip, "questions.jsonl")) {
      Line line = Line.of(archive, Scene.parse(archive, text.getBytes(StandardCharsets.UTF_8)));
      if (questions.containsKey(line.image())) {
        questions.get(line.image()).add(line);
      }
    }
    if (scenes.isEmpty()) {
      throw new InputException(archive + ": no scenes");
    }
    Progress progress = new Progress(shell);
    int done = 0;
    for (Scene scene : scenes.values()) {
      Picture picture = ImageDecoder.STANDARD.decode(
          bytes(archive, zip, scene.image()), archive + "/" + scene.image());
      List<Line> lines = questions.getOrDefault(scene.image(), List.of());
      for (Line line : lines) {
        ask(conversation, cancel, scene, picture, line, names);
      }
      turns(conversation, cancel, scene, picture, lines);
      progress.at(++done, scenes.size(), scene.image());
    }
    progress.end();
    return scenes.size();
  }

  private void ask(
      Conversation conversation,
      Cancellation cancel,
      Scene scene,
      Picture picture,
      Line line,
      Set<String> names) {
    String answer = anew(conversation, cancel, picture, line, line.region());
    boolean good = right(line, answer);
    show(good, scene, line.task(), line, answer);
    if (line.task().equals("presence")) {
      presence.add(line.accepted().contains("Yes"), Boolean.TRUE.equals(Score.yes(answer)));
      return;
    }
    tallies.computeIfAbsent(task(line), t -> new Tally()).add(good);
    if (line.task().equals("name") && line.region() instanceof Region.Box box) {
      named(0, scene, box, line, answer, good, names);
      for (double scale : noNoise ? List.<Double>of() : NOISE) {
        long mixed = seed * 1_000_003L + 31L * line.image().hashCode() + Math.round(scale * 10);
        Region.Box off = Score.disturbed(
            box, scale, picture.width(), picture.height(), new SplittableRandom(mixed));
        String said = anew(conversation, cancel, picture, line, off);
        named(scale, scene, box, line, said, right(line, said), names);
      }
    }
  }

  /** The scene's first questions about a spot again, in one conversation that sees the picture once; counted from the second on. */
  private void turns(
      Conversation conversation,
      Cancellation cancel,
      Scene scene,
      Picture picture,
      List<Line> lines) {
    List<Line> spots =
        lines.stream().filter(line -> line.region() != null).limit(TURNS.size()).toList();
    if (spots.size() < 2) {
      return;
    }
    conversation.clear();
    for (int turn = 0; turn < spots.size(); turn++) {
      Line line = spots.get(turn);
      String answer = answer(
          conversation, cancel, turn == 0 ? List.of(picture) : List.of(), line, line.region());
      if (turn > 0) {
        boolean good = right(line, answer);
        show(good, scene, TURNS.get(turn), line, answer);
        tallies.computeIfAbsent(TURNS.get(turn), t -> new Tally()).add(good);
      }
    }
  }

  private void show(boolean good, Scene scene, String task, Line line, String answer) {
    if (!good && shown < show) {
      shown++;
      shell
          .err()
          .println(scene.image() + " " + task + ": " + line.question() + " → " + answer
              + " (expected " + line.accepted() + ")");
    }
  }

  /** The answer in a conversation that begins with the question. */
  private String anew(
      Conversation conversation,
      Cancellation cancel,
      Picture picture,
      Line line,
      @Nullable Region region) {
    conversation.clear();
    return answer(conversation, cancel, List.of(picture), line, region);
  }

  private String answer(
      Conversation conversation,
      Cancellation cancel,
      List<Picture> pictures,
      Line line,
      @Nullable Region region) {
    Answer answer = conversation.ask(
        new Question(
            line.question(), pictures, region == null ? List.of() : List.of(region), false),
        Generation.DEFAULT.withMaxTokens(maxTokens),
        token -> {},
        cancel);
    if (answer.finishReason() == FinishReason.CANCELLED) {
      throw new CancelledException("the measurement");
    }
    return answer.text().strip();
  }

  /** What is beside a thing is one task in the archive and four here. */
  private static String task(Line line) {
    if (!line.task().equals("side")) {
      return line.task();
    }
    return List.of("left", "right", "above", "below").stream()
        .filter(side -> Score.holds(side, line.question()))
        .findFirst()
        .orElse("side");
  }

  private static boolean right(Line line, String answer) {
    List<String> words = Score.words(answer);
    return line.task().equals("caption")
        ? words.containsAll(line.accepted())
        : line.accepted().stream().anyMatch(words::contains);
  }

  private void named(
      double scale,
      Scene scene,
      Region.Box box,
      Line line,
      String answer,
      boolean good,
      Set<String> names) {
    Naming row = naming.computeIfAbsent(scale, s -> new Naming());
    row.tally.add(good);
    if (good) {
      return;
    }
    List<String> words = Score.words(answer);
    String said = words.stream()
        .filter(names::contains)
        .max((a, b) -> Integer.compare(a.length(), b.length()))
        .orElse("");
    List<Double> place = List.of(box.x1(), box.y1(), box.x2(), box.y2());
    boolean elsewhere = scene.objects().stream()
        .anyMatch(t -> t.name().equals(said)
            && !line.accepted().contains(t.name())
            && Score.overlap(t.box(), place) > SAME_PLACE);
    row.hallucinated += elsewhere ? 1 : 0;
  }

  private static double share(int part, int of) {
    return of == 0 ? Double.NaN : (double) part / of;
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "–" : String.format(Locale.ROOT, "%.1f", 100 * share);
  }

  private String table(int scenes, Conversation conversation) {
    StringBuilder text = new StringBuilder();
    text.append(conversation.info().type())
        .append(", ")
        .append(scenes)
        .append(" scenes, greedy, at most ")
        .append(maxTokens)
        .append(" tokens; an answer is right that holds the expected word\n\n");
    Table tasks = new Table("task", ">accuracy %", ">n");
    for (Map.Entry<String, String> task : TASKS.entrySet()) {
      Tally tally = tallies.get(task.getKey());
      if (tally != null) {
        tasks.row(
            task.getValue(),
            percent(share(tally.right, tally.asked)),
            Integer.toString(tally.asked));
      }
    }
    tallies.forEach((task, tally) -> {
      if (!TASKS.containsKey(task)) {
        tasks.row(task, percent(share(tally.right, tally.asked)), Integer.toString(tally.asked));
      }
    });
    text.append(tasks).append('\n');
    Table pope = new Table(">accuracy %", ">precision %", ">recall %", ">F1 %", ">yes %", ">n");
    pope.row(
        percent(presence.accuracy()),
        percent(presence.precision()),
        percent(presence.recall()),
        percent(presence.f1()),
        percent(presence.yes()),
        Integer.toString(presence.asked()));
    text.append("Presence, counted as POPE does\n").append(pope).append('\n');
    Table noise = new Table(">box noise", ">accuracy %", ">hallucination %", ">of errors %", ">n");
    naming.forEach((scale, row) -> noise.row(
        scale.toString(),
        percent(share(row.tally.right, row.tally.asked)),
        percent(share(row.hallucinated, row.tally.asked)),
        percent(share(row.hallucinated, row.tally.asked - row.tally.right)),
        Integer.toString(row.tally.asked)));
    text.append(
            "Naming from boxes with noise s: centre moved by U(-s,s) of the size, size times 1+U(-s,s), seed ")
        .append(seed)
        .append("\n")
        .append(noise);
    return text.toString();
  }

  private static final Map<String, String> TASKS = tasks();

  private static Map<String, String> tasks() {
    Map<String, String> names = new LinkedHashMap<>();
    names.put("name", "region naming");
    names.put("point", "point naming");
    names.put("read", "text reading");
    names.put("colour", "colour");
    names.put("left", "left of");
    names.put("right", "right of");
    names.put("above", "above");
    names.put("below", "below");
    names.put("caption", "caption, all things");
    names.put("turn2", "second turn, a spot");
    names.put("turn3", "third turn, a spot");
    return names;
  }

  private Map<String, Object> figures(int scenes) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("scenes", scenes);
    all.put("seed", seed);
    Map<String, Object> tasks = new LinkedHashMap<>();
    tallies.forEach((task, tally) ->
        tasks.put(task, pair("accuracy", share(tally.right, tally.asked), tally.asked)));
    all.put("tasks", tasks);
    Map<String, Object> pope = new LinkedHashMap<>();
    pope.put("accuracy", presence.accuracy());
    pope.put("precision", presence.precision());
    pope.put("recall", presence.recall());
    pope.put("f1", presence.f1());
    pope.put("yes_ratio", presence.yes());
    pope.put("n", presence.asked());
    all.put("presence", pope);
    List<Object> rows = new ArrayList<>();
    naming.forEach((scale, row) -> {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("noise", scale);
      one.put("accuracy", share(row.tally.right, row.tally.asked));
      one.put("hallucination_ratio", share(row.hallucinated, row.tally.asked));
      one.put(
          "hallucination_of_errors", share(row.hallucinated, row.tally.asked - row.tally.right));
      one.put("n", row.tally.asked);
      rows.add(one);
    });
    all.put("naming", rows);
    return all;
  }

  private static Map<String, Object> pair(String name, double value, int n) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put(name, value);
    map.put("n", n);
    return map;
  }

  private static List<String> lines(Path archive, ZipFile zip, String name) throws IOException {
    return new String(bytes(archive, zip, name), StandardCharsets.UTF_8)
        .lines()
        .filter(l -> !l.isBlank())
        .toList();
  }

  private static byte[] bytes(Path archive, ZipFile zip, String name) throws IOException {
    ZipEntry entry = zip.getEntry(name);
    if (entry == null) {
      throw new FileException(archive, "holds no " + name);
    }
    try (InputStream in = zip.getInputStream(entry)) {
      byte[] bytes = in.readNBytes(MAX_ENTRY + 1);
      if (bytes.length > MAX_ENTRY) {
        throw FileException.mismatch(archive, name, "at most " + MAX_ENTRY + " bytes", "more");
      }
      return bytes;
    }
  }
}
