package dev.fovea.server;

import static dev.fovea.server.Client.question;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Many clients at once: every answer is the one that its question gets alone, and nothing is left behind. For {@code fovea.load.seconds}
 * seconds, 3 unless said otherwise.
 */
class LoadTest {
  private static final int CLIENTS = 64;
  private static final long SEED = 20_240_707;

  private static final long MOST_GROWN = 48L << 20;

  private record Asked(ObjectNode body, String alone) {}

  /** @param threads of the system, as clients elsewhere would be: virtual ones would take turns with the server's */
  private record Crowd(
      Client client, HttpClient http, ExecutorService threads, List<Asked> questions) {}

  private final List<Double> firstMs = Collections.synchronizedList(new ArrayList<>());
  private final List<Double> intervalMs = Collections.synchronizedList(new ArrayList<>());
  private final List<Double> stepMs = Collections.synchronizedList(new ArrayList<>());
  private final AtomicInteger answers = new AtomicInteger();
  private final AtomicInteger refusals = new AtomicInteger();

  @Test
  void everyAnswerIsTheOneItsQuestionGetsAlone() throws Exception {
    long seconds = Long.getLong("fovea.load.seconds", 3);
    FoveaOptions model = FoveaOptions.builder()
        .threads(2)
        .sequences(16)
        .queue(32)
        .cacheBytes(128 << 20)
        .build();
    try (Client client = Client.of(ServerOptions.DEFAULT, model);
        ExecutorService threads = Executors.newCachedThreadPool();
        HttpClient http = HttpClient.newBuilder().executor(threads).build()) {
      Fovea fovea = Objects.requireNonNull(client.server().fovea());
      List<Asked> questions = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        ObjectNode body = body(i);
        HttpResponse<String> alone = client.chat(body);
        assertEquals(200, alone.statusCode(), alone.body());
        questions.add(new Asked(body, Client.text(alone)));
      }
      Crowd crowd = new Crowd(client, http, threads, questions);
      come(crowd, Math.max(1, seconds / 6)); // pools fill, and what is hot is compiled
      rest(fovea);
      Memory before = Memory.now();
      Stream.of(firstMs, intervalMs, stepMs).forEach(List::clear);
      answers.set(0);
      refusals.set(0);
      come(crowd, seconds);
      rest(fovea);
      assertEquals(0, fovea.load().answering());
      assertEquals(0, fovea.load().waiting());
      assertEquals(0, fovea.load().pagesUsed());
      Memory grown = Memory.now().since(before);
      assertTrue(answers.get() > 0, "no answer at all");
      // What a request leaves behind adds up over hundreds of them; half a picture each would show.
      assertTrue(grown.heap() < MOST_GROWN, "grown by " + grown);
      assertTrue(grown.natives() < MOST_GROWN, "grown by " + grown);
      LoggerFactory.getLogger(LoadTest.class)
          .info(
              "{} clients, {} s: {} answers, {} times 429; first token p50 {} p99 {} ms; between"
                  + " tokens at the client p50 {} p99 {} ms, in the model p50 {} p99 {} ms; grown by {}",
              CLIENTS,
              seconds,
              answers,
              refusals,
              at(firstMs, 0.5),
              at(firstMs, 0.99),
              at(intervalMs, 0.5),
              at(intervalMs, 0.99),
              at(stepMs, 0.5),
              at(stepMs, 0.99),
              grown);
    }
  }

  private void come(Crowd crowd, long seconds) throws Exception {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    List<Future<?>> clients = new ArrayList<>();
    for (int i = 0; i < CLIENTS; i++) {
      Random random = new Random(SEED + i);
      clients.add(crowd.threads().submit(() -> {
        while (System.nanoTime() < end) {
          Asked asked = crowd.questions().get(random.nextInt(crowd.questions().size()));
          ask(crowd.client(), crowd.http(), asked, random.nextBoolean());
        }
        return null;
      }));
    }
    for (Future<?> one : clients) {
      one.get();
    }
  }

  private static void rest(Fovea fovea) throws InterruptedException {
    long end = System.nanoTime() + 5_000_000_000L;
    while (fovea.load().answering() > 0 && System.nanoTime() < end) {
      Thread.sleep(1);
    }
  }

  /** Greedy and drawn, with a picture and a region or without. */
  private static ObjectNode body(int i) {
    ObjectNode body = switch (i % 3) {
      case 0 ->
        question(1 + i % 4, "What is this? <r1>", "{\"id\": \"r1\", \"box\": [60, 60, 300, 300]}");
      case 1 -> question(1 + i % 4, "Describe the image.");
      default ->
        question(
            1 + i % 4, "Is there a rabbit near <r1>?", "{\"id\": \"r1\", \"point\": [200, 200]}");
    };
    return body.put("max_tokens", 24).put("temperature", i % 2 == 0 ? 0 : 0.8).put("seed", i);
  }

  private void ask(Client client, HttpClient http, Asked asked, boolean stream) throws Exception {
    ObjectNode body = asked.body().deepCopy().put("stream", stream);
    HttpRequest request = client.posting("/v1/chat/completions", body.toString());
    long start = System.nanoTime();
    HttpResponse<Stream<String>> response = http.send(request, HttpResponse.BodyHandlers.ofLines());
    if (response.statusCode() == 429) {
      assertTrue(response.headers().firstValue("Retry-After").isPresent());
      try (Stream<String> lines = response.body()) {
        lines.forEach(line -> {});
      }
      refusals.incrementAndGet();
      Thread.sleep(50);
      return;
    }
    StringBuilder text = new StringBuilder();
    try (Stream<String> lines = response.body()) {
      if (stream) {
        read(lines, start, text);
      } else {
        JsonNode answer = JsonMapper.shared().readTree(String.join("\n", lines.toList()));
        text.append(answer.at("/choices/0/message/content").asString());
      }
    }
    assertEquals(200, response.statusCode(), text.toString());
    assertEquals(
        asked.alone(),
        text.toString(),
        () -> "seed " + SEED + ": " + asked.body().get("seed"));
    answers.incrementAndGet();
  }

  private void read(Stream<String> lines, long start, StringBuilder text) {
    long[] last = {0};
    lines.filter(line -> line.startsWith("data: {")).forEach(line -> {
      JsonNode chunk = JsonMapper.shared().readTree(line.substring("data: ".length()));
      if (chunk.has("error")) {
        throw new AssertionError(line);
      }
      int steps = chunk.at("/timings/predicted_n").asInt(0) - 1; // the first is the prompt's
      if (steps > 0) {
        stepMs.add(chunk.at("/timings/predicted_ms").asDouble() / steps);
      }
      String piece = chunk.at("/choices/0/delta/content").asString("");
      if (piece.isEmpty()) {
        return;
      }
      long now = System.nanoTime();
      (last[0] == 0 ? firstMs : intervalMs).add((now - (last[0] == 0 ? start : last[0])) / 1e6);
      last[0] = now;
      text.append(piece);
    });
  }

  private static double at(List<Double> values, double share) {
    List<Double> sorted = values.stream().sorted().toList();
    return sorted.isEmpty()
        ? 0
        : Math.round(10 * sorted.get((int) ((sorted.size() - 1) * share))) / 10.0;
  }
}
