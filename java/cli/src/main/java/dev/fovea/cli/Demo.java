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
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea demo}. */
@Command(
    description = {
      "Asks what is in each box of the shipped scenes, prints the answers and draws them.",
      ""
    })
final class Demo implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Mixin
  SamplingFlags sampling = new SamplingFlags();

  @Option(
      names = "--scenes",
      paramLabel = "FILE",
      description = "The list of scenes; samples/scenes.json if absent.")
  @Nullable
  Path scenes;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Ask about the first N scenes; 0 for all.")
  int limit;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      description = "Where the drawings go; a new folder fovea-demo if absent.")
  Path out = Path.of("fovea-demo");

  private final Shell shell;

  Demo(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    Path list = scenes == null ? shell.home().resolve("samples").resolve("scenes.json") : scenes;
    Main.require(list, "the list of scenes");
    List<Scene> all = Scene.list(list);
    List<Scene> some = limit > 0 && limit < all.size() ? all.subList(0, limit) : all;
    Files.createDirectories(out);
    int right = 0;
    int asked = 0;
    try (Interrupt interrupt = new Interrupt();
        Conversation conversation = model.open(shell)) {
      for (Scene scene : some) {
        Picture picture = model.picture(list.resolveSibling(scene.image()));
        List<Annotate.Mark> marks = new ArrayList<>();
        List<Annotate.Line> lines = new ArrayList<>();
        for (Scene.Thing thing : scene.objects()) {
          Region box = thing.region();
          String question = thing.isText() ? "What does this say?" : "What is this?";
          conversation.clear();
          Answer answer = conversation.ask(
              new Question(question, List.of(picture), List.of(box), false),
              sampling.generation(),
              token -> {},
              interrupt.cancellation());
          if (answer.finishReason() == FinishReason.CANCELLED) {
            return Main.INTERRUPTED;
          }
          String text = answer.text().strip();
          asked++;
          boolean good = Score.holds(thing.name(), text);
          right += good ? 1 : 0;
          marks.addAll(Spots.marks(List.of(box), picture));
          lines.add(new Annotate.Line(marks.size(), question + " " + text));
          shell
              .out()
              .printf(
                  Locale.ROOT,
                  "%s %-22s %-20s %s%s%n",
                  scene.image(),
                  thing.box(),
                  question,
                  text,
                  good ? "" : "   (it is: " + thing.name() + ")");
        }
        Path drawing = out.resolve(
            Path.of(scene.image()).getFileName().toString().replaceFirst("\\.\\w+$", "") + ".png");
        Ask.write(drawing, Annotate.png(picture, marks, lines));
      }
    }
    if (asked == 0) {
      throw new InputException(list + ": no scene with an object");
    }
    shell.err().println(right + " of " + asked + " right; drawings in " + out);
    return 0;
  }
}
