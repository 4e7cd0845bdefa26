package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.ModelInfo;
import dev.fovea.Question;
import dev.fovea.Session;
import dev.fovea.Token;
import java.nio.file.Path;
import java.util.function.Consumer;

/** A conversation with a model from files. */
record OpenModel(Fovea fovea, Session session) implements Conversation {

  static OpenModel open(Path model, FoveaOptions options) {
    Fovea fovea = Fovea.open(model, options);
    try {
      return new OpenModel(fovea, fovea.session());
    } catch (RuntimeException | Error e) {
      fovea.close();
      throw e;
    }
  }

  @Override
  public Answer ask(
      Question question, Generation generation, Consumer<Token> onToken, Cancellation cancel) {
    return session.ask(question, generation, onToken, cancel);
  }

  @Override
  public void clear() {
    session.clear();
  }

  @Override
  public ModelInfo info() {
    return fovea.info();
  }

  @Override
  public void close() {
    session.close();
    fovea.close();
  }
}
