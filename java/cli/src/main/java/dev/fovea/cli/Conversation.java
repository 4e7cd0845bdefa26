package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.ModelInfo;
import dev.fovea.Question;
import dev.fovea.Token;
import java.nio.file.Path;
import java.util.function.Consumer;

/** A model and one conversation with it, as the commands use them. */
interface Conversation extends AutoCloseable {

  /** Opens a model. */
  @FunctionalInterface
  interface Opener {
    Conversation open(Path model, FoveaOptions options);
  }

  /** Asks the next question; {@code onToken} is called on this thread. */
  Answer ask(
      Question question, Generation generation, Consumer<Token> onToken, Cancellation cancel);

  /** Forgets what was said. */
  void clear();

  ModelInfo info();

  @Override
  void close();
}
