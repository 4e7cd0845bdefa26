package dev.fovea.server;

import dev.fovea.Cancellation;
import dev.fovea.Generation;
import dev.fovea.Sampling;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The fields that say how to write an answer, which chat and plain completions share. Names and ranges are OpenAI's, others vLLM's. */
final class GenerationReader {
  /** Fields read here. */
  static final List<String> FIELDS = List.of(
      "max_tokens",
      "max_completion_tokens",
      "temperature",
      "top_p",
      "top_k",
      "min_p",
      "repetition_penalty",
      "seed",
      "stop",
      "ignore_eos",
      "priority",
      "timeout_ms",
      "presence_penalty",
      "frequency_penalty",
      "logit_bias");

  private static final int MOST_TOKENS = 1 << 20;
  private static final int MOST_STOPS = 16;
  private static final int LONGEST_STOP = 256;

  private static final int LONGEST_MS = 3_600_000;

  private GenerationReader() {}

  /** Cancels what is asked for when {@code timeout_ms} of the request are over, counted from now. */
  static void limit(Fields request, Cancellation cancellation) {
    if (request.has("timeout_ms")) {
      cancellation.cancelAfter(Duration.ofMillis(request.whole("timeout_ms", 0, 1, LONGEST_MS)));
    }
  }

  /** @param top how many of the likeliest tokens to report; 0 for none */
  static Generation read(Fields request, int top) {
    refuse(request, "presence_penalty");
    refuse(request, "frequency_penalty");
    JsonNode bias = request.value("logit_bias");
    if (bias != null && !(bias.isObject() && bias.isEmpty())) {
      throw ApiException.field("logit_bias", "is not supported");
    }
    long most = request.whole("max_tokens", 512, 1, MOST_TOKENS);
    most = request.whole("max_completion_tokens", most, 1, MOST_TOKENS);
    double temperature = request.number("temperature", 0, 0, 2);
    Sampling sampling = new Sampling(
        temperature,
        (int) Math.max(0, request.whole("top_k", 0, -1, Integer.MAX_VALUE)),
        above(request, "top_p", 1),
        request.number("min_p", 0, 0, 1),
        above(request, "repetition_penalty", 100),
        request.whole(
            "seed",
            temperature == 0 ? 0 : ThreadLocalRandom.current().nextLong(),
            Long.MIN_VALUE,
            Long.MAX_VALUE));
    return new Generation(
        (int) most,
        sampling,
        stops(request.value("stop")),
        top,
        request.flag("ignore_eos", false),
        (int) request.whole("priority", 0, -1000, 1000));
  }

  private static double above(Fields request, String field, double most) {
    double value = request.number(field, 1, 0, most);
    if (value == 0) {
      throw ApiException.mismatch(field, "above 0", 0);
    }
    return value;
  }

  private static void refuse(Fields request, String field) {
    if (request.number(field, 0, -2, 2) != 0) {
      throw ApiException.field(field, "is not supported; repetition_penalty is");
    }
  }

  private static List<String> stops(@Nullable JsonNode stop) {
    if (stop == null) {
      return List.of();
    }
    return stop.isString()
        ? List.of(stop(stop, "stop"))
        : Fields.list(stop, "stop", MOST_STOPS, GenerationReader::stop);
  }

  private static String stop(JsonNode value, String path) {
    String text = Fields.text(value, path);
    if (text.isEmpty() || text.length() > LONGEST_STOP) {
      throw ApiException.mismatch(
          path, "1 to " + LONGEST_STOP + " characters", text.length() + " of them");
    }
    return text;
  }
}
