package dev.fovea.server;

import dev.fovea.Answer;
import dev.fovea.Cancellation;
import dev.fovea.FinishReason;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.Session;
import dev.fovea.Token;
import dev.fovea.error.BackendException;
import dev.fovea.error.ContextLengthException;
import dev.fovea.error.FoveaException;
import dev.fovea.error.QueueFullException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;
import java.util.function.IntFunction;

/** Has questions answered side by side, for requests that want several answers, and counts them. */
final class Answering {
  private static final Executor VIRTUAL = Thread::startVirtualThread;

  private final Model model;
  private final Cancellation cancellation;

  Answering(Model model, Cancellation cancellation) {
    this.model = model;
    this.cancellation = cancellation;
  }

  /** What one answer is made of. */
  record Asked(Session session, Question question, Generation generation, int pictures) {}

  /**
   * All answers, in order.
   *
   * @param onToken gets the number of an answer and its next token, on that answer's thread
   * @throws ApiException if one of them cannot be given; the others are cancelled
   * @throws Call.GoneException if the client left
   */
  List<Answer> all(int count, IntFunction<Asked> asked, BiConsumer<Integer, Token> onToken) {
    List<CompletableFuture<Answer>> running = new ArrayList<>();
    for (int i = 1; i < count; i++) {
      int number = i;
      running.add(CompletableFuture.supplyAsync(() -> one(number, asked, onToken), VIRTUAL));
    }
    List<Answer> answers = new ArrayList<>();
    try {
      answers.add(one(0, asked, onToken));
      for (CompletableFuture<Answer> answer : running) {
        answers.add(answer.join());
      }
    } catch (CompletionException e) {
      cancellation.cancel();
      throw e.getCause() instanceof RuntimeException r ? r : e;
    } catch (RuntimeException e) {
      cancellation.cancel();
      throw e;
    }
    return answers;
  }

  private Answer one(int number, IntFunction<Asked> asked, BiConsumer<Integer, Token> onToken) {
    long start = System.nanoTime();
    Asked one = asked.apply(number);
    Answer answer;
    try {
      answer = one.session()
          .ask(one.question(), one.generation(), t -> onToken.accept(number, t), cancellation);
    } catch (Call.GoneException e) {
      model.metrics().cancelled();
      throw e;
    } catch (FoveaException e) {
      throw told(e);
    }
    if (answer.finishReason() == FinishReason.CANCELLED) {
      model.metrics().cancelled();
      throw cancellation.hasExpired() ? ApiException.late() : new Call.GoneException();
    }
    model.metrics().answered(answer, one.pictures(), System.nanoTime() - start);
    return answer;
  }

  /** An error of the engine as the API tells it. */
  static RuntimeException told(FoveaException e) {
    String message = String.valueOf(e.getMessage());
    return switch (e) {
      case QueueFullException full -> ApiException.full(message);
      case ContextLengthException length -> ApiException.tooLong(message);
      case BackendException backend -> e; // the server's own fault: its log has it
      default -> ApiException.field("messages", message);
    };
  }
}
