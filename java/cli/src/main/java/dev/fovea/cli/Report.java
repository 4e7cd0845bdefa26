package dev.fovea.cli;

import dev.fovea.Answer;
import dev.fovea.Timings;
import dev.fovea.Usage;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What is said about an answer besides its text. */
final class Report {
  private Report() {}

  /** One line for people. */
  static String line(Answer answer, int context) {
    Usage u = answer.usage();
    Timings t = answer.timings();
    int computed = u.promptTokens() - u.cachedTokens();
    return String.format(
        Locale.ROOT,
        "prompt: %.1f tok/s (%d) | image: %.0f ms | generation: %.1f tok/s (%d) | context: %d/%d",
        rate(computed, t.promptMs()),
        computed,
        t.imageMs(),
        rate(u.completionTokens(), t.predictedMs()),
        u.completionTokens(),
        u.promptTokens() + u.completionTokens(),
        context);
  }

  /** One object for programs: usage as OpenAI names it, timings as llama.cpp does. */
  static Map<String, Object> json(Answer answer) {
    Usage u = answer.usage();
    Map<String, Object> details = new LinkedHashMap<>();
    details.put("cached_tokens", u.cachedTokens());
    details.put("image_tokens", u.imageTokens());
    Map<String, Object> usage = new LinkedHashMap<>();
    usage.put("prompt_tokens", u.promptTokens());
    usage.put("completion_tokens", u.completionTokens());
    usage.put("total_tokens", u.promptTokens() + u.completionTokens());
    usage.put("prompt_tokens_details", details);
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("text", answer.text());
    all.put("token_ids", answer.tokenIds());
    all.put("prompt_token_ids", answer.promptTokenIds());
    all.put("finish_reason", answer.finishReason().label());
    all.put("usage", usage);
    all.put("timings", timings(u, answer.timings()));
    all.put("backend", answer.backend());
    return all;
  }

  private static Map<String, Object> timings(Usage u, Timings t) {
    int computed = u.promptTokens() - u.cachedTokens();
    Map<String, Object> timings = new LinkedHashMap<>();
    timings.put("cache_n", u.cachedTokens());
    timings.put("prompt_n", computed);
    timings.put("prompt_ms", t.promptMs());
    timings.put("prompt_per_token_ms", share(t.promptMs(), computed));
    timings.put("prompt_per_second", rate(computed, t.promptMs()));
    timings.put("predicted_n", u.completionTokens());
    timings.put("predicted_ms", t.predictedMs());
    timings.put("predicted_per_token_ms", share(t.predictedMs(), u.completionTokens()));
    timings.put("predicted_per_second", rate(u.completionTokens(), t.predictedMs()));
    timings.put("image_encode_ms", t.imageMs());
    return timings;
  }

  /** Per second; 0 where nothing was measured. */
  private static double rate(int count, double ms) {
    return ms > 0 ? 1000 * count / ms : 0;
  }

  private static double share(double ms, int count) {
    return count > 0 ? ms / count : 0;
  }
}
