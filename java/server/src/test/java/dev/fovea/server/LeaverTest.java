package dev.fovea.server;

import static dev.fovea.server.Client.json;
import static dev.fovea.server.Client.question;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Load;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** What becomes of questions whose time is over: clients that leave, a queue that is full, a model that is not there yet, a server that ends. */
class LeaverTest {

  private static Fovea fovea(Client client) {
    return Objects.requireNonNull(client.server().fovea());
  }

  /** An answer of some seconds. */
  private static ObjectNode longQuestion() {
    return question("Describe the image.").put("ignore_eos", true).put("max_tokens", 700);
  }

  private static void waitFor(String what, Duration most, BooleanSupplier holds) throws Exception {
    long end = System.nanoTime() + most.toNanos();
    while (!holds.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, what + " did not happen in " + most);
      Thread.sleep(1);
    }
  }

  private static double metric(Client client, String name) {
    return client
        .get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(name))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void pagesOfAClientThatLeavesAreFreedAtOnce(boolean stream) throws Exception {
    try (Client client = Client.of(ServerOptions.DEFAULT)) {
      client.chat(question("What is this?").put("max_tokens", 1)); // pictures and code are warm
      Fovea fovea = fovea(client);
      waitFor("rest", Duration.ofSeconds(5), () -> fovea.load().answering() == 0);
      int atRest = fovea.load().pagesUsed();
      byte[] body =
          longQuestion().put("stream", stream).toString().getBytes(StandardCharsets.UTF_8);
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), client.port())) {
        socket
            .getOutputStream()
            .write(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
                    + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().write(body);
        if (stream) {
          assertTrue(socket.getInputStream().read(new byte[64]) > 0);
        }
        waitFor("an answer", Duration.ofSeconds(20), () -> fovea.load().answering() == 1);
        Thread.sleep(50); // in the middle of it
        assertEquals(1, fovea.load().answering(), "the answer is too short to leave it");
        assertTrue(fovea.load().pagesUsed() > atRest, fovea.load().toString());
      }
      // Between tokens: the bound of the promise, not of this machine.
      waitFor("pages freed", Duration.ofMillis(100), () -> {
        Load load = fovea.load();
        return load.answering() == 0 && load.waiting() == 0 && load.pagesUsed() <= atRest;
      });
      waitFor(
          "the count of it",
          Duration.ofSeconds(5),
          () -> metric(client, "fovea_request_cancelled_total") == 1);
      assertEquals(200, client.chat(question("What is this?")).statusCode());
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anAnswerEndsWhenItsTimeIsOver(boolean stream) throws Exception {
    try (Client client = Client.of(ServerOptions.DEFAULT)) {
      client.chat(question("What is this?").put("max_tokens", 1));
      Fovea fovea = fovea(client);
      waitFor("rest", Duration.ofSeconds(5), () -> fovea.load().answering() == 0);
      int atRest = fovea.load().pagesUsed();
      HttpResponse<String> response =
          client.chat(longQuestion().put("timeout_ms", 200).put("stream", stream));
      if (stream) {
        assertEquals(200, response.statusCode());
        assertTrue(Client.events(response).size() > 2, response.body());
        String last = Client.events(response).getLast();
        assertTrue(last.contains("deadline_exceeded"), last);
      } else {
        assertEquals(408, response.statusCode(), response.body());
        assertEquals("deadline_exceeded", json(response).at("/error/code").asString());
        assertEquals("false", response.headers().firstValue("x-should-retry").orElse(""));
      }
      waitFor(
          "pages freed",
          Duration.ofMillis(100),
          () -> fovea.load().answering() == 0 && fovea.load().pagesUsed() <= atRest);
      HttpResponse<String> quick = client.chat(question("What is this?").put("timeout_ms", 60_000));
      assertEquals(200, quick.statusCode(), quick.body());
    }
  }

  @Test
  void aFullQueueSaysWhenToComeAgain() {
    FoveaOptions narrow = FoveaOptions.builder()
        .threads(2)
        .sequences(1)
        .queue(1)
        .cacheBytes(64 << 20)
        .build();
    try (Client client = Client.of(ServerOptions.DEFAULT, narrow)) {
      List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        ObjectNode body = longQuestion().put("max_tokens", 200).put("stream", i % 2 == 0);
        asked.add(client.later(client.posting("/v1/chat/completions", body.toString())));
      }
      int full = 0;
      for (CompletableFuture<HttpResponse<String>> one : asked) {
        HttpResponse<String> response = one.join();
        if (response.statusCode() == 429) {
          full++;
          String after = response.headers().firstValue("Retry-After").orElseThrow();
          assertTrue(Integer.parseInt(after) >= 1, after);
          assertEquals("overloaded_error", json(response).at("/error/type").asString());
        } else {
          assertEquals(200, response.statusCode(), response.body());
        }
      }
      assertTrue(full >= 1 && full <= 7, full + " of 8 were refused");
      assertEquals(200, client.chat(question("What is this?")).statusCode());
    }
  }

  @Test
  void aModelThatLoadsIsWaitedForWithoutHarm() throws Exception {
    CountDownLatch loaded = new CountDownLatch(1);
    try (Server server = Server.start(ServerOptions.DEFAULT.withPort(0), "test", () -> {
          try {
            assertTrue(loaded.await(60, TimeUnit.SECONDS));
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return Fovea.open(Client.ROOT.resolve("models").resolve("demo"));
        });
        Visitor visitor = new Visitor(server.port())) {
      for (String path :
          List.of("/health", "/v1/health", "/health/ready", "/props", "/v1/models")) {
        HttpResponse<String> response = visitor.get(path);
        assertEquals(503, response.statusCode(), path);
        assertTrue(response.headers().firstValue("Retry-After").isPresent(), path);
        assertEquals("Loading model", json(response).at("/error/message").asString());
      }
      assertEquals(200, visitor.get("/health/live").statusCode());
      assertEquals(200, visitor.get("/").statusCode());
      loaded.countDown();
      server.ready().join();
      assertEquals(200, visitor.get("/health").statusCode());
    }
  }

  @Test
  void anEndingServerFinishesWhatItBegan() throws Exception {
    Client client = Client.of(ServerOptions.DEFAULT.withDrain(Duration.ofSeconds(60)));
    Fovea fovea = fovea(client);
    ObjectNode body = longQuestion().put("max_tokens", 150);
    String alone = Client.text(client.chat(body));
    CompletableFuture<HttpResponse<String>> answer =
        client.later(client.posting("/v1/chat/completions", body.toString()));
    waitFor("an answer", Duration.ofSeconds(20), () -> fovea.load().answering() == 1);
    client.close();
    HttpResponse<String> response = answer.get(10, TimeUnit.SECONDS);
    assertEquals(200, response.statusCode(), response.body());
    assertEquals(alone, Client.text(response));
  }

  @Test
  void anEndingServerDoesNotWaitForever() throws Exception {
    Client client = Client.of(ServerOptions.DEFAULT.withDrain(Duration.ofMillis(100)));
    Fovea fovea = fovea(client);
    CompletableFuture<HttpResponse<String>> answer =
        client.later(client.posting("/v1/chat/completions", longQuestion().toString()));
    waitFor("an answer", Duration.ofSeconds(20), () -> fovea.load().answering() == 1);
    long start = System.nanoTime();
    client.server().close();
    assertTrue(System.nanoTime() - start < 3_000_000_000L, "took seconds");
    answer.handle((response, error) -> response).get(10, TimeUnit.SECONDS);
    client.close();
  }
}
