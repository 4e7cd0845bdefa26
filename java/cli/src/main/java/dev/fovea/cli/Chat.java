package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.FinishReason;
import dev.fovea.Question;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea chat}. */
@Command(
    description = {
      "Talks about pictures, turn by turn. Lines that begin with / are commands; /help lists them.",
      "Ctrl-C ends the running answer, ctrl-D the chat.",
      ""
    })
final class Chat implements Callable<Integer> {
  private static final String HELP = """
      /image PATH          show a picture with the next question
      /box x1,y1,x2,y2     point at a box of the latest picture, in its pixels
      /point x,y           point at a spot
      /clear               forget the conversation
      /context             how full the context is
      /help                this list
      /quit                leave (or ctrl-D)""";

  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Mixin
  SamplingFlags sampling = new SamplingFlags();

  @Option(
      names = "--image",
      paramLabel = "FILE",
      description = "A picture to begin with; repeatable.")
  List<Path> images = new ArrayList<>();

  @Option(names = "--relative", description = "Coordinates are shares of width and height, 0 to 1.")
  boolean relative;

  private final Shell shell;
  private final List<Picture> pictures = new ArrayList<>();
  private final List<Region> regions = new ArrayList<>();
  private boolean shown;
  private int used;

  Chat(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    for (Path image : images) {
      pictures.add(model.picture(image));
    }
    try (Lines lines = shell.inTerminal() ? TypedLines.system() : Lines.of(shell.in())) {
      return run(lines);
    }
  }

  /** Talks until the lines end. */
  int run(Lines lines) throws IOException {
    try (Conversation conversation = model.open(shell)) {
      shell
          .err()
          .println(flags.dim(
              shell, conversation.info().type() + "; /help lists the commands, ctrl-D leaves"));
      String line = lines.next(prompt());
      while (line != null && !List.of("/quit", "/exit").contains(line.strip())) {
        try {
          turn(conversation, line.strip(), lines);
        } catch (FoveaException e) {
          Main.fail(shell, String.valueOf(e.getMessage()));
        }
        line = lines.next(prompt());
      }
      return 0;
    }
  }

  private String prompt() {
    String pictured = pictures.isEmpty() ? "" : "[" + pictures.size() + " new] ";
    String pointed = regions.isEmpty() ? "" : "[" + regions.size() + " marked] ";
    return pictured + pointed + "> ";
  }

  private void turn(Conversation conversation, String line, Lines lines) {
    if (line.isEmpty()) {
      return;
    }
    if (!line.startsWith("/")) {
      ask(conversation, line, lines);
      return;
    }
    String[] words = line.split("\\s+", 2);
    String rest = words.length > 1 ? words[1].strip() : "";
    switch (words[0]) {
      case "/image" -> {
        Picture picture = model.picture(path(rest));
        pictures.add(picture);
        shell.err().println(rest + ": " + picture.width() + "x" + picture.height());
      }
      case "/box" -> point("/box", 4, rest);
      case "/point" -> point("/point", 2, rest);
      case "/clear" -> {
        conversation.clear();
        pictures.clear();
        regions.clear();
        shown = false;
        used = 0;
        shell.err().println("cleared");
      }
      case "/context" ->
        shell.err().println("context: " + used + "/" + conversation.info().context());
      case "/help" -> shell.err().println(HELP);
      default -> throw new InputException("unknown command " + words[0] + "; /help lists them");
    }
  }

  private static Path path(String text) {
    if (text.isEmpty()) {
      throw InputException.mismatch("/image", "a path", "nothing");
    }
    boolean quoted = text.length() > 1 && text.startsWith("\"") && text.endsWith("\"");
    return Path.of(quoted ? text.substring(1, text.length() - 1) : text);
  }

  private void point(String what, int count, String text) {
    if (pictures.isEmpty() && !shown) {
      throw new InputException(what + " needs a picture first: /image PATH");
    }
    regions.add(Spots.parse(what, count, text).region(relative ? Units.RELATIVE : Units.PIXEL));
  }

  private void ask(Conversation conversation, String text, Lines lines) {
    try (Interrupt interrupt = new Interrupt()) {
      lines.onInterrupt(interrupt.cancellation()::cancel);
      Answer answer = conversation.ask(
          new Question(text, pictures, regions, false),
          sampling.generation(),
          token -> {
            shell.out().print(token.text());
            shell.out().flush();
          },
          interrupt.cancellation());
      shell.out().println(answer.finishReason() == FinishReason.CANCELLED ? " …" : "");
      for (String warning : answer.warnings()) {
        shell.err().println("fovea: warning: " + warning);
      }
      used = answer.usage().promptTokens() + answer.usage().completionTokens();
      shown |= !pictures.isEmpty();
      pictures.clear();
      shell
          .err()
          .println(flags.dim(shell, Report.line(answer, conversation.info().context())));
    } finally {
      // A region that the model refused would be refused again; the picture is kept for the next
      // try.
      regions.clear();
      lines.onInterrupt(() -> {});
    }
  }
}
