package dev.fovea;

import dev.fovea.error.InputException;
import java.util.List;

/**
 * How to write an answer.
 *
 * @param maxTokens most tokens of the answer
 * @param sampling how each is chosen
 * @param stop strings that end the answer; they are not part of it
 * @param logprobs how many of the most likely tokens to report with each token; 0 reports none
 * @param ignoreEos go on after the end-of-sequence token, for benchmarks
 * @param priority of those who wait the highest is next; of equals the first
 */
public record Generation(
    int maxTokens,
    Sampling sampling,
    List<String> stop,
    int logprobs,
    boolean ignoreEos,
    int priority) {
  /** Greedy, up to 512 tokens. */
  public static final Generation DEFAULT =
      new Generation(512, Sampling.GREEDY, List.of(), 0, false, 0);

  public Generation {
    stop = List.copyOf(stop);
    if (maxTokens < 1) {
      throw InputException.mismatch("max_tokens", "1 or more", maxTokens);
    }
    if (logprobs < 0 || logprobs > 20) {
      throw InputException.mismatch("logprobs", "0 to 20", logprobs);
    }
    if (stop.contains("")) {
      throw InputException.mismatch("stop", "non-empty strings", stop);
    }
  }

  public Generation withMaxTokens(int most) {
    return new Generation(most, sampling, stop, logprobs, ignoreEos, priority);
  }

  public Generation withSampling(Sampling how) {
    return new Generation(maxTokens, how, stop, logprobs, ignoreEos, priority);
  }

  public Generation withStop(List<String> strings) {
    return new Generation(maxTokens, sampling, strings, logprobs, ignoreEos, priority);
  }

  public Generation withLogprobs(int top) {
    return new Generation(maxTokens, sampling, stop, top, ignoreEos, priority);
  }

  public Generation withIgnoreEos(boolean ignore) {
    return new Generation(maxTokens, sampling, stop, logprobs, ignore, priority);
  }

  public Generation withPriority(int order) {
    return new Generation(maxTokens, sampling, stop, logprobs, ignoreEos, order);
  }
}
