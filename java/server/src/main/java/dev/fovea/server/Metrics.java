package dev.fovea.server;

import dev.fovea.Answer;
import dev.fovea.Load;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/**
 * What {@code /metrics} shows, with vLLM's names behind {@code fovea_}, so that its dashboards serve after a search and replace. Times are in
 * seconds; those of an answer are counted when it is whole.
 */
final class Metrics {
  private static final Duration[] BUCKETS = buckets(
      1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000, 20_000, 40_000,
      80_000, 160_000, 640_000, 2_560_000);
  private static final Duration[] SHORT = buckets(
      0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2500);

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final Tags tags;
  private final Timer firstToken;
  private final Timer perToken;
  private final Timer whole;
  private final Timer queued;
  private final Timer prefill;
  private final Timer decode;
  private final Timer image;
  private final Counter promptTokens;
  private final Counter generationTokens;
  private final Counter imageTokens;
  private final Counter images;
  private final Counter imageHits;
  private final Counter prefixQueries;
  private final Counter prefixHits;
  private final Counter cancelled;

  /** @param load how busy the model is */
  Metrics(String model, String backend, Supplier<Load> load) {
    this.tags = Tags.of("model_name", model, "backend", backend);
    firstToken = timer("time.to.first.token", BUCKETS);
    perToken = timer("time.per.output.token", SHORT);
    whole = timer("e2e.request.latency", BUCKETS);
    queued = timer("request.queue.time", BUCKETS);
    prefill = timer("request.prefill.time", BUCKETS);
    decode = timer("request.decode.time", BUCKETS);
    image = timer("image.encode", BUCKETS);
    promptTokens = counter("prompt.tokens");
    generationTokens = counter("generation.tokens");
    imageTokens = counter("image.tokens");
    images = counter("image.cache.queries");
    imageHits = counter("image.cache.hits");
    prefixQueries = counter("prefix.cache.queries");
    prefixHits = counter("prefix.cache.hits");
    cancelled = counter("request.cancelled");
    for (String reason : new String[] {"stop", "length"}) {
      success(reason);
    }
    gauge("num.requests.running", load, Load::answering);
    gauge("num.requests.waiting", load, Load::waiting);
    gauge("batch.size.max", load, Load::most);
    gauge("kv.cache.pages.used", load, Load::pagesUsed);
    gauge("kv.cache.pages", load, Load::pages);
    gauge(
        "kv.cache.usage.perc", load, l -> l.pages() == 0 ? 0 : (double) l.pagesUsed() / l.pages());
  }

  private static Duration[] buckets(double... milliseconds) {
    Duration[] buckets = new Duration[milliseconds.length];
    for (int i = 0; i < buckets.length; i++) {
      buckets[i] = Duration.ofNanos(Math.round(milliseconds[i] * 1e6));
    }
    return buckets;
  }

  private Timer timer(String name, Duration... buckets) {
    return Timer.builder("fovea." + name)
        .tags(tags)
        .serviceLevelObjectives(buckets)
        .register(registry);
  }

  private Counter counter(String name) {
    return Counter.builder("fovea." + name).tags(tags).register(registry);
  }

  private Counter success(String reason) {
    return Counter.builder("fovea.request.success")
        .tags(tags.and("finished_reason", reason))
        .register(registry);
  }

  private void gauge(String name, Supplier<Load> load, ToDoubleFunction<Load> what) {
    Gauge.builder("fovea." + name, () -> what.applyAsDouble(load.get()))
        .tags(tags)
        .register(registry);
  }

  /** A request that was answered with a status that is no success. */
  void failed(int status) {
    Counter.builder("fovea.request.errors")
        .tags(tags.and("status", Integer.toString(status)))
        .register(registry)
        .increment();
  }

  void cancelled() {
    cancelled.increment();
  }

  /** @param pictures of its prompt */
  void answered(Answer answer, int pictures, long nanos) {
    double tokens = answer.usage().completionTokens();
    success(answer.finishReason().label()).increment();
    promptTokens.increment(answer.usage().promptTokens());
    generationTokens.increment(tokens);
    imageTokens.increment(answer.usage().imageTokens());
    prefixQueries.increment(answer.usage().promptTokens());
    prefixHits.increment(answer.usage().cachedTokens());
    images.increment(pictures);
    double imageMs = answer.timings().imageMs();
    if (imageMs > 0) {
      record(image, imageMs);
    } else {
      imageHits.increment(pictures);
    }
    record(queued, answer.timings().queuedMs());
    record(prefill, answer.timings().promptMs());
    record(decode, answer.timings().predictedMs());
    record(firstToken, answer.timings().firstTokenMs());
    whole.record(nanos, TimeUnit.NANOSECONDS);
    if (tokens > 1) {
      record(perToken, answer.timings().predictedMs() / (tokens - 1));
    }
  }

  private static void record(Timer timer, double milliseconds) {
    timer.record(Math.round(milliseconds * 1e6), TimeUnit.NANOSECONDS);
  }

  String scrape() {
    return registry.scrape();
  }

  void close() {
    registry.close();
  }
}
