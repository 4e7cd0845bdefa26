package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.FinishReason;
import dev.fovea.Question;
import dev.fovea.error.InputException;
import dev.fovea.model.image.Annotate;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fovea ask}. */
@Command(
    description = {
      "Asks one question and streams the answer.",
      "",
      "  ./fovea ask samples/scene-01.png --box 360,41,464,180 \"What is this?\"",
      ""
    },
    customSynopsis = "fovea ask IMAGE [--box x1,y1,x2,y2 | --point x,y]... [FLAG]... QUESTION")
final class Ask implements Callable<Integer>, Spots.Pointing {
  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Mixin
  SamplingFlags sampling = new SamplingFlags();

  @Mixin
  Spots spots = new Spots();

  @Parameters(
      paramLabel = "IMAGE QUESTION",
      arity = "0..*",
      description = "A picture, then the question.")
  List<String> words = new ArrayList<>();

  @Option(
      names = "--image",
      paramLabel = "FILE",
      description = "A picture; repeatable. All words are then the question.")
  List<Path> images = new ArrayList<>();

  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "TEXT",
      description = "The question. All words are then pictures.")
  @Nullable
  String prompt;

  @Option(
      names = "--raw",
      description = "The question is the whole prompt, with <image> where a picture goes.")
  boolean raw;

  @Option(
      names = "--draw",
      paramLabel = "FILE",
      description = "Paint the regions and the answer on the last picture, as PNG.")
  @Nullable
  Path draw;

  @Option(names = "--json", description = "Print one line of JSON in place of the text.")
  boolean json;

  private final Shell shell;

  Ask(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Spots spots() {
    return spots;
  }

  @Override
  public Integer call() {
    Question question = question();
    Picture last = question.pictures().isEmpty() ? null : question.pictures().getLast();
    if (draw != null && last == null) {
      throw new InputException("--draw paints on a picture, and none was given");
    }
    try (Interrupt interrupt = new Interrupt();
        Conversation conversation = model.open(shell)) {
      Answer answer = conversation.ask(
          question,
          sampling.generation(),
          token -> {
            if (!json) {
              shell.out().print(token.text());
              shell.out().flush();
            }
          },
          interrupt.cancellation());
      shell.out().println(json ? Json.line(Report.json(answer)) : "");
      for (String warning : answer.warnings()) {
        shell.err().println("fovea: warning: " + warning);
      }
      if (draw != null && last != null) {
        draw(draw, last, question, answer);
      }
      shell
          .err()
          .println(flags.dim(shell, Report.line(answer, conversation.info().context())));
      return answer.finishReason() == FinishReason.CANCELLED ? Main.INTERRUPTED : 0;
    }
  }

  private Question question() {
    List<Path> files = new ArrayList<>(images);
    List<String> text = new ArrayList<>(words);
    if (prompt != null) {
      text.forEach(word -> files.add(Path.of(word)));
      text = List.of(prompt);
    } else if (images.isEmpty() && text.size() > 1) {
      files.add(Path.of(text.removeFirst()));
    } else if (images.isEmpty()
        && text.size() == 1
        && Files.isRegularFile(Path.of(text.getFirst()))) {
      throw new InputException(
          "no question: expected ./fovea ask " + text.getFirst() + " \"What is this?\"");
    }
    if (text.isEmpty()) {
      throw new InputException(
          "no question: expected ./fovea ask IMAGE QUESTION (see ./fovea ask --help)");
    }
    List<Region> regions = spots.regions();
    if (!regions.isEmpty() && files.isEmpty()) {
      throw new InputException(
          "a box or a point needs a picture: expected ./fovea ask IMAGE --box x1,y1,x2,y2 QUESTION");
    }
    List<Picture> pictures = new ArrayList<>();
    for (Path file : files) {
      pictures.add(model.picture(file));
    }
    return new Question(String.join(" ", text), pictures, regions, raw);
  }

  /** Paints what was pointed at; where nothing was, what the answer names. */
  static void draw(Path to, Picture picture, Question question, Answer answer) {
    List<Annotate.Mark> marks = new ArrayList<>(Spots.marks(question.regions(), picture));
    marks.addAll(
        Spots.marks(answer.regions().stream().map(Answer.NamedRegion::region).toList(), picture));
    int one = marks.size() == 1 ? 1 : 0;
    write(
        to,
        Annotate.png(
            picture,
            marks,
            List.of(
                new Annotate.Line(one, question.text()),
                new Annotate.Line(0, answer.text().strip()))));
  }

  static void write(Path to, byte[] bytes) {
    try {
      Path folder = to.toAbsolutePath().getParent();
      if (folder != null && !Files.isDirectory(folder)) {
        throw new InputException(to + ": its folder " + folder + " does not exist");
      }
      Files.write(to, bytes);
    } catch (IOException e) {
      throw new InputException(to + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
