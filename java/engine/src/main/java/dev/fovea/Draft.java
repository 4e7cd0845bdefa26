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
import java.util.PriorityQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/** One answer: made on the model's thread, handed to the asker's thread token by token. */
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
  private final long asked = System.nanoTime();

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

  /** Waits for the answer, passing its tokens on as they come. */
  Result write(Consumer<Token> onToken) {
    FutureTask<Result> task = new FutureTask<>(this::compute) {
      @Override
      protected void done() {
        ready.add(END);
      }
    };
    fovea.submit(task);
    try {
      for (Token t = ready.take(); !t.equals(END); t = ready.take()) {
        onToken.accept(t);
      }
      return task.get();
    } catch (InterruptedException e) {
      abandon(task);
      Thread.currentThread().interrupt();
      throw new CancelledException("the question");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException r) {
        throw r;
      }
      throw new IllegalStateException(e.getCause());
    } catch (RuntimeException | Error e) {
      abandon(task);
      throw e;
    }
  }

  /** Nobody listens any more. */
  private void abandon(FutureTask<Result> task) {
    task.cancel(false);
    cancellation.cancel();
  }

  private Result compute() {
    List<Features> seen = new ArrayList<>();
    long start = System.nanoTime();
    for (Picture p : pictures) {
      seen.add(fovea.pictures().look(p));
    }
    long imageTime = System.nanoTime() - start;
    Prompt prompt = new Prompt(expand(seen), seen);
    try (Decoding decoding =
        fovea.generator().begin(prompt, generation.sampling(), generation.maxTokens())) {
      if (generation.logprobs() > 0) {
        decoding.ahead(false);
      }
      start = System.nanoTime();
      boolean whole = decoding.prefill(cancellation::isCancelled);
      long promptTime = System.nanoTime() - start;
      Writing writing = new Writing(decoding);
      FinishReason reason = whole ? writing.run() : FinishReason.CANCELLED;
      int imageTokens = seen.stream().mapToInt(Features::rows).sum();
      return new Result(
          writing.text.toString(),
          List.copyOf(writing.tokens),
          List.copyOf(writing.kept),
          reason,
          new Usage(prompt.ids().size(), imageTokens, decoding.cached(), writing.tokens.size()),
          new Timings(imageTime * MS, promptTime * MS, writing.time * MS, writing.firstToken * MS));
    }
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
    private long time;
    private long firstToken;

    Writing(Decoding decoding) {
      this.decoding = decoding;
    }

    FinishReason run() {
      long start = System.nanoTime();
      FinishReason reason = FinishReason.LENGTH;
      boolean stopped = false;
      while (tokens.size() < generation.maxTokens() && decoding.hasRoom()) {
        if (cancellation.isCancelled()) {
          reason = FinishReason.CANCELLED;
          break;
        }
        int id = decoding.next();
        if (tokens.isEmpty()) {
          firstToken = System.nanoTime() - asked;
        }
        if (id == tokenizer.eos() && !generation.ignoreEos()) {
          reason = FinishReason.STOP;
          break;
        }
        kept.add(id);
        text.append(detokenizer.append(id));
        if (cutAtStop()) {
          reason = FinishReason.STOP;
          stopped = true;
        }
        emit(id, stopped ? text.length() : safeEnd());
        if (stopped) {
          break;
        }
      }
      time = System.nanoTime() - start;
      if (!stopped) {
        text.append(detokenizer.finish());
        cutAtStop();
        flush();
      }
      return reason;
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
