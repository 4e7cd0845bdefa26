package dev.fovea;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.engine.Decoding;
import dev.fovea.engine.Features;
import dev.fovea.engine.Prompt;
import dev.fovea.error.CancelledException;
import dev.fovea.error.InputException;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.PromptEncoder;
import dev.fovea.model.text.Detokenizer;
import dev.fovea.model.text.Tokenizer;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One answer: asked for on one thread, made on the model's, and handed back token by token. The model's thread calls {@link #begin} until it
 * says yes, then {@link #advance} after every token, and {@link #finish} or {@link #fail} once.
 */
final class Draft {

  /**
   * What came of it.
   *
   * @param kept token ids that stay in the conversation
   */
  record Result(
      String text,
      List<Token> tokens,
      List<Integer> kept,
      FinishReason reason,
      Usage usage,
      Timings timings) {}

  private static final double MS = 1e-6;

  /** Follows the last token, or stands alone after a failure. */
  private static final Token END = new Token(-1, "", Double.NaN, List.of());

  private final Fovea fovea;
  private final List<Integer> ids;
  private final List<Picture> pictures;
  private final Generation generation;
  private final List<String> stops;
  private final Cancellation cancellation;
  private final BlockingQueue<Token> ready = new LinkedBlockingQueue<>();
  private final CompletableFuture<Result> result = new CompletableFuture<>();
  private final long asked = System.nanoTime();

  // The model's thread's own.
  private @Nullable Prompt prompt;
  private @Nullable Decoding decoding;
  private @Nullable Writing writing;
  private long queueTime;
  private long imageTime;
  private long promptTime;

  Draft(
      Fovea fovea,
      List<Integer> ids,
      List<Picture> pictures,
      Generation generation,
      List<String> stops,
      Cancellation cancellation) {
    this.fovea = fovea;
    this.ids = ids;
    this.pictures = pictures;
    this.generation = generation;
    this.stops = stops;
    this.cancellation = cancellation;
  }

  int priority() {
    return generation.priority();
  }

  boolean isCancelled() {
    return cancellation.isCancelled();
  }

  /** Nobody listens any more. */
  void cancel() {
    cancellation.cancel();
  }

  /** Waits for the answer, passing its tokens on as they come. It must have been submitted. */
  Result await(Consumer<Token> onToken) {
    try {
      for (Token t = ready.take(); !t.equals(END); t = ready.take()) {
        onToken.accept(t);
      }
      return result.join();
    } catch (InterruptedException e) {
      cancel();
      Thread.currentThread().interrupt();
      throw new CancelledException("the question");
    } catch (CompletionException e) {
      switch (e.getCause()) {
        case RuntimeException r -> throw r;
        case Error error -> throw error;
        case null, default -> throw new IllegalStateException(e.getCause());
      }
    } catch (RuntimeException | Error e) {
      cancel();
      throw e;
    }
  }

  /** Begins the answer, if there is room for it. */
  boolean begin() {
    Prompt p = prompt;
    if (p == null) {
      long start = System.nanoTime();
      long encoded = fovea.pictures().encoded();
      List<Features> seen = new ArrayList<>();
      for (Picture picture : pictures) {
        seen.add(fovea.pictures().look(picture));
      }
      imageTime = fovea.pictures().encoded() == encoded ? 0 : System.nanoTime() - start;
      p = new Prompt(expand(seen), seen);
      prompt = p;
    }
    Decoding d = fovea.generator().tryBegin(p, generation.sampling(), generation.maxTokens());
    if (d == null) {
      return false;
    }
    if (generation.logprobs() > 0) {
      d.ahead(false);
    }
    decoding = d;
    writing = new Writing(d);
    long now = System.nanoTime();
    queueTime = now - asked - imageTime;
    promptTime = -now;
    return true;
  }

  /** Nanoseconds that its pictures took; 0 if all of them were known. */
  long imageTime() {
    return imageTime;
  }

  /** What computes it; it has begun. */
  Decoding decoding() {
    return Objects.requireNonNull(decoding);
  }

  /** A token more has arrived; says how the answer has ended with it, or null. */
  @Nullable
  FinishReason advance() {
    return Objects.requireNonNull(writing).advance();
  }

  /** Gives the asker what there is, and the device back what it held. */
  void finish(FinishReason reason) {
    Writing w = writing;
    Prompt p = prompt;
    if (w == null || p == null || decoding == null) {
      complete(new Result(
          "",
          List.of(),
          List.of(),
          reason,
          new Usage(0, 0, 0, 0),
          new Timings(Math.max(0, queueTime) * MS, imageTime * MS, 0, 0, 0)));
      return;
    }
    w.end();
    int imageTokens = p.pictures().stream().mapToInt(Features::rows).sum();
    Result r = new Result(
        w.text.toString(),
        List.copyOf(w.tokens),
        List.copyOf(w.kept),
        reason,
        new Usage(p.ids().size(), imageTokens, decoding.cached(), w.tokens.size()),
        new Timings(
            queueTime * MS,
            imageTime * MS,
            Math.max(0, promptTime) * MS,
            w.time * MS,
            w.firstToken * MS));
    decoding.close();
    complete(r);
  }

  void fail(Throwable why) {
    if (decoding != null) {
      decoding.close();
    }
    result.completeExceptionally(why);
    ready.add(END);
  }

  private void complete(Result r) {
    result.complete(r);
    ready.add(END);
  }

  /** Picture places become as many positions as the picture has rows. */
  private List<Integer> expand(List<Features> seen) {
    List<Integer> expanded = new ArrayList<>();
    int picture = 0;
    int row = 0;
    for (int id : ids) {
      if (id != PromptEncoder.IMAGE) {
        expanded.add(id);
        continue;
      }
      if (picture == seen.size()) {
        throw InputException.mismatch(
            "<image> markers", "one for each of the " + seen.size() + " pictures", "more");
      }
      for (int i = 0; i < seen.get(picture).rows(); i++) {
        expanded.add(-1 - row++);
      }
      picture++;
    }
    if (picture != seen.size()) {
      throw InputException.mismatch(
          "<image> markers", "one for each of the " + seen.size() + " pictures", picture);
    }
    return expanded;
  }

  /** Tokens to text, with what may become a stop string held back. */
  private final class Writing {
    private final Decoding decoding;
    private final Tokenizer tokenizer = fovea.tokenizer();
    private final Detokenizer detokenizer = tokenizer.detokenizer();
    private final StringBuilder text = new StringBuilder();
    private final List<Token> tokens = new ArrayList<>();
    private final List<Integer> kept = new ArrayList<>();
    private int shown;
    private boolean stopped;
    private long began;
    private long time;
    private long firstToken;

    Writing(Decoding decoding) {
      this.decoding = decoding;
    }

    @Nullable
    FinishReason advance() {
      long now = System.nanoTime();
      if (tokens.isEmpty() && kept.isEmpty()) {
        promptTime += now;
        firstToken = now - asked;
        began = now;
      }
      int id = decoding.take();
      time = now - began;
      if (id == tokenizer.eos() && !generation.ignoreEos()) {
        return FinishReason.STOP;
      }
      kept.add(id);
      text.append(detokenizer.append(id));
      stopped = cutAtStop();
      emit(id, stopped ? text.length() : safeEnd());
      if (stopped) {
        return FinishReason.STOP;
      }
      return tokens.size() == generation.maxTokens() || !decoding.hasRoom()
          ? FinishReason.LENGTH
          : null;
    }

    /** The rest of the text. */
    void end() {
      if (!stopped) {
        text.append(detokenizer.finish());
        cutAtStop();
        flush();
      }
    }

    private boolean cutAtStop() {
      for (String stop : stops) {
        int at = text.indexOf(stop, Math.max(0, shown - stop.length()));
        if (at >= 0) {
          text.setLength(at);
          return true;
        }
      }
      return false;
    }

    /** Up to where no stop string can have begun. */
    private int safeEnd() {
      int end = text.length();
      for (String stop : stops) {
        for (int n = Math.min(stop.length() - 1, text.length()); n > 0; n--) {
          if (stop.startsWith(text.substring(text.length() - n))) {
            end = Math.min(end, text.length() - n);
            break;
          }
        }
      }
      return Math.max(end, shown);
    }

    private void emit(int id, int end) {
      int from = Math.min(shown, end);
      String piece = text.substring(from, end);
      shown = end;
      double logprob = Double.NaN;
      List<Token.Alternative> top = List.of();
      if (generation.logprobs() > 0) {
        float[] logits = row();
        double norm = logSumExp(logits);
        logprob = logits[id] - norm;
        top = top(logits, norm);
      }
      Token t = new Token(id, piece, logprob, top);
      tokens.add(t);
      ready.add(t);
    }

    /** What was held back and turned out to be text joins the last token. */
    private void flush() {
      if (shown < text.length() && !tokens.isEmpty()) {
        Token last = tokens.removeLast();
        String rest = text.substring(shown);
        tokens.add(new Token(last.id(), last.text() + rest, last.logprob(), last.top()));
        ready.add(new Token(last.id(), rest, last.logprob(), last.top()));
        shown = text.length();
      }
    }

    private float[] row() {
      MemorySegment logits = decoding.logits();
      float[] row = new float[fovea.model().textVocabulary()];
      MemorySegment.copy(logits, JAVA_FLOAT, 0, row, 0, row.length);
      return row;
    }

    private double logSumExp(float[] logits) {
      double max = Double.NEGATIVE_INFINITY;
      for (float l : logits) {
        max = Math.max(max, l);
      }
      double sum = 0;
      for (float l : logits) {
        sum += Math.exp(l - max);
      }
      return max + Math.log(sum);
    }

    private List<Token.Alternative> top(float[] logits, double norm) {
      PriorityQueue<Integer> best =
          new PriorityQueue<>((a, b) -> Float.compare(logits[a], logits[b]));
      for (int i = 0; i < logits.length; i++) {
        best.add(i);
        if (best.size() > generation.logprobs()) {
          best.remove();
        }
      }
      List<Token.Alternative> top = new ArrayList<>();
      while (!best.isEmpty()) {
        int id = best.remove();
        top.addFirst(new Token.Alternative(id, tokenizer.piece(id), logits[id] - norm));
      }
      return top;
    }
  }
}
