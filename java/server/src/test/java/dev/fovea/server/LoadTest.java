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

  private record Asked(ObjectNode body, String alone) {}

  private final List<Double> firstMs = Collections.synchronizedList(new ArrayList<>());
  private final List<Double> intervalMs = Collections.synchronizedList(new ArrayList<>());
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
        HttpClient http = HttpClient.newHttpClient();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Fovea fovea = Objects.requireNonNull(client.server().fovea());
      List<Asked> questions = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        ObjectNode body = body(i);
        HttpResponse<String> alone = client.chat(body);
        assertEquals(200, alone.statusCode(), alone.body());
        questions.add(new Asked(body, Client.text(alone)));
      }
      long heap = heap();
      long end = System.nanoTime() + seconds * 1_000_000_000L;
      List<Future<?>> clients = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        Random random = new Random(SEED + i);
        clients.add(threads.submit(() -> {
          while (System.nanoTime() < end) {
            ask(
                client,
                http,
                questions.get(random.nextInt(questions.size())),
                random.nextBoolean());
          }
          return null;
        }));
      }
      for (Future<?> one : clients) {
        one.get();
      }
      long rest = System.nanoTime() + 5_000_000_000L;
      while (fovea.load().answering() > 0 && System.nanoTime() < rest) {
        Thread.sleep(1);
      }
      assertEquals(0, fovea.load().answering());
      assertEquals(0, fovea.load().waiting());
      assertEquals(0, fovea.load().pagesUsed());
      long grown = heap() - heap;
      assertTrue(answers.get() > 0, "no answer at all");
      // What a request leaves behind adds up over hundreds of them; half a picture each would show.
      assertTrue(grown < 48L << 20, "the heap grew by " + (grown >> 20) + " MiB");
      LoggerFactory.getLogger(LoadTest.class)
          .info(
              "{} clients, {} s: {} answers, {} times 429, first token p50 {} p99 {} ms,"
                  + " interval p50 {} p99 {} ms, heap {} MiB",
              CLIENTS,
              seconds,
              answers,
              refusals,
              at(firstMs, 0.5),
              at(firstMs, 0.99),
              at(intervalMs, 0.5),
              at(intervalMs, 0.99),
              grown >> 20);
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

  private static long heap() throws InterruptedException {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 3; i++) {
      System.gc();
      Thread.sleep(50);
      least = Math.min(
          least, Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
    }
    return least;
  }

  private static double at(List<Double> values, double share) {
    List<Double> sorted = values.stream().sorted().toList();
    return sorted.isEmpty()
        ? 0
        : Math.round(10 * sorted.get((int) ((sorted.size() - 1) * share))) / 10.0;
  }
}
