package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FinishReason;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.ModelInfo;
import dev.fovea.Question;
import dev.fovea.Timings;
import dev.fovea.Token;
import dev.fovea.Usage;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.layer.VisionTower;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;

/** A model that answers as it was told, and the shell around it. */
final class Scripted implements Conversation {
  final ByteArrayOutputStream out = new ByteArrayOutputStream();
  final ByteArrayOutputStream err = new ByteArrayOutputStream();
  final Map<String, String> env = new HashMap<>();
  final List<Question> asked = new ArrayList<>();
  final List<Generation> generations = new ArrayList<>();

  @Nullable
  FoveaOptions options;

  @Nullable
  Path model;

  int cleared;
  int closed;
  private final Function<Question, String> answers;

  Scripted(Function<Question, String> answers) {
    this.answers = answers;
  }

  /** Runs a command with these lines on standard input. */
  int run(String in, String... args) {
    return Main.run(shell(in), args);
  }

  Shell shell(String in) {
    return new Shell(
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8),
        new ByteArrayInputStream(in.getBytes(StandardCharsets.UTF_8)),
        env,
        false,
        false,
        (path, how) -> {
          model = path;
          options = how;
          return this;
        });
  }

  String out() {
    return out.toString(StandardCharsets.UTF_8);
  }

  String err() {
    return err.toString(StandardCharsets.UTF_8);
  }

  /** A picture file of that size. */
  static Path picture(Path folder, int width, int height) throws IOException {
    Path file = folder.resolve("picture-" + width + "x" + height + ".png");
    ImageIO.write(
        new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB), "png", file.toFile());
    return file;
  }

  @Override
  public Answer ask(
      Question question, Generation generation, Consumer<Token> onToken, Cancellation cancel) {
    asked.add(question);
    generations.add(generation);
    String text = answers.apply(question);
    List<Token> tokens = new ArrayList<>();
    for (String word : text.split("(?<= )", -1)) {
      Token token = new Token(100 + tokens.size(), word, Double.NaN, List.of());
      tokens.add(token);
      onToken.accept(token);
    }
    return new Answer(
        text,
        tokens,
        List.of(1, -200, 5),
        FinishReason.STOP,
        new Usage(70, 64, 20, tokens.size()),
        new Timings(0, 12.5, 100, 50, 130),
        List.of(),
        List.of(),
        "scripted: 1 thread");
  }

  @Override
  public void clear() {
    cleared++;
  }

  @Override
  public ModelInfo info() {
    VisionConfig vision =
        new VisionConfig(28, 14, 64, 1, 64, 1, 1, 1e-5, false, VisionTower.Keep.PATCH);
    DecoderConfig decoder =
        new DecoderConfig(128, 128, 1, 1, 1, 128, 320, 512, 1e-5, 1e4, 1, false);
    return new ModelInfo(
        "scripted",
        "scripted 1K F32",
        1000,
        4000,
        512,
        "vicuna_v1",
        "chatspot",
        "resize",
        new ModelConfig(vision, ProjectorConfig.linear(), decoder));
  }

  @Override
  public void close() {
    closed++;
  }
}
