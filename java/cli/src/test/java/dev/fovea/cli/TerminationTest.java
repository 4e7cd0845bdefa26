package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** {@code kill} on {@code fovea serve} in the middle of answers: a process of its own, as an operator has it. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TerminationTest {
  private static final Path ROOT = Path.of(System.getProperty("fovea.root", "../.."));
  private static final String LINE = "fovea: http://";

  /** As many as would take minutes one by one; one is written while the others wait for their turn. */
  private static final int MANY = 64;

  @TempDir
  Path folder = Path.of("");

  /** A server that answers one question after another. */
  private final class Served implements AutoCloseable {
    private final Path err = folder.resolve("err");
    private final HttpClient http = HttpClient.newHttpClient();
    private final Process process;
    private final BufferedReader out;
    private final String url;

    Served(int drainSeconds) throws IOException {
      ProcessBuilder builder = new ProcessBuilder(
          Path.of(System.getProperty("java.home"), "bin", "java").toString(),
          "-Xmx512m",
          "--enable-native-access=ALL-UNNAMED",
          "--sun-misc-unsafe-memory-access=allow",
          "-cp",
          System.getProperty("java.class.path"),
          Main.class.getName(),
          "serve",
          "--backend",
          "cpu",
          "--port",
          "0",
          "--parallel",
          "1",
          "--drain-timeout",
          Integer.toString(drainSeconds));
      builder.environment().put("FOVEA_HOME", ROOT.toString());
      process = builder.redirectError(err.toFile()).start();
      out = process.inputReader(StandardCharsets.UTF_8);
      String line = out.readLine();
      assertTrue(line != null && line.startsWith(LINE), () -> line + "\n" + err());
      url = line.substring("fovea: ".length());
    }

    String err() {
      try {
        return Files.readString(err);
      } catch (IOException e) {
        return e.toString();
      }
    }

    CompletableFuture<HttpResponse<String>> asks(int tokens, boolean stream) {
      String body = """
          {"messages": [{"role": "user", "content": "Go on."}], "ignore_eos": true, "max_tokens": %d,
           "stream": %b}""".formatted(tokens, stream);
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + "v1/chat/completions"))
          .POST(HttpRequest.BodyPublishers.ofString(body))
          .build();
      return http.sendAsync(request, HttpResponse.BodyHandlers.ofString());
    }

    int status(String path) throws Exception {
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + path)).build();
      return http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    double metric(String name) throws Exception {
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + "metrics")).build();
      return http.send(request, HttpResponse.BodyHandlers.ofString())
          .body()
          .lines()
          .filter(line -> line.startsWith(name + "{"))
          .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
          .sum();
    }

    /** Asks so much that it cannot be done when this returns, with one answer being written and the others waiting. */
    List<CompletableFuture<HttpResponse<String>>> isBusy(int questions, int tokens)
        throws Exception {
      List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
      for (int i = 0; i < questions; i++) {
        asked.add(asks(tokens, i % 2 == 0));
      }
      while (metric("fovea_num_requests_running") + metric("fovea_num_requests_waiting")
          < questions) {
        Thread.sleep(5);
      }
      return asked;
    }

    void kill() {
      process.toHandle().destroy(); // SIGTERM
    }

    int exit(Duration most) throws InterruptedException {
      assertTrue(
          process.waitFor(most.toMillis(), TimeUnit.MILLISECONDS),
          () -> "still there after " + most + "\n" + err());
      return process.exitValue();
    }

    @Override
    public void close() throws IOException {
      process.destroyForcibly();
      out.close();
      http.shutdownNow();
    }
  }

  private static String text(HttpResponse<String> whole) {
    assertEquals(200, whole.statusCode(), whole.body());
    return JsonMapper.shared()
        .readTree(whole.body())
        .at("/choices/0/message/content")
        .asString();
  }

  private static String streamed(HttpResponse<String> stream) {
    assertEquals(200, stream.statusCode(), stream.body());
    List<String> events = stream
        .body()
        .lines()
        .filter(line -> line.startsWith("data: "))
        .map(line -> line.substring("data: ".length()))
        .toList();
    assertEquals("[DONE]", events.getLast(), "cut off: " + stream.body());
    StringBuilder text = new StringBuilder();
    for (String event : events.subList(0, events.size() - 1)) {
      text.append(
          JsonMapper.shared().readTree(event).at("/choices/0/delta/content").asString(""));
    }
    return text.toString();
  }

  @Test
  void answersThatWereBegunEndWholeAndNewOnesAreRefused() throws Exception {
    try (Served served = new Served(60)) {
      String alone = text(served.asks(600, false).get());
      assertEquals(200, served.status("health"));
      List<CompletableFuture<HttpResponse<String>>> asked = served.isBusy(6, 600);
      served.kill();
      while (served.status("health") == 200) {
        Thread.sleep(1);
      }
      assertFalse(asked.getLast().isDone(), "all was answered before the signal came");
      HttpResponse<String> late = served.asks(1, false).get();
      assertEquals(503, late.statusCode(), late.body());
      assertEquals("1", late.headers().firstValue("Retry-After").orElse("none"));
      for (int i = 0; i < asked.size(); i++) {
        HttpResponse<String> answer = asked.get(i).get();
        assertEquals(alone, i % 2 == 0 ? streamed(answer) : text(answer), "answer " + i);
      }
      assertEquals(0, served.exit(Duration.ofSeconds(10)), served::err);
      assertTrue(served.err().contains("fovea: SIGTERM: ending after"), served::err);
    }
  }

  @Test
  void theDrainLimitCutsOffWhatTakesLonger() throws Exception {
    try (Served served = new Served(1)) {
      List<CompletableFuture<HttpResponse<String>>> asked = served.isBusy(MANY, 700);
      served.kill();
      assertEquals(143, served.exit(Duration.ofSeconds(10)), served::err);
      assertCutOff(asked);
    }
  }

  @Test
  void aSecondSignalEndsItAtOnce() throws Exception {
    try (Served served = new Served(60)) {
      List<CompletableFuture<HttpResponse<String>>> asked = served.isBusy(MANY, 700);
      served.kill();
      while (served.status("health") == 200) {
        Thread.sleep(1);
      }
      served.kill();
      assertEquals(143, served.exit(Duration.ofSeconds(2)), served::err);
      assertTrue(served.err().contains("fovea: SIGTERM: ended at once"), served::err);
      assertCutOff(asked);
    }
  }

  private static void assertCutOff(List<CompletableFuture<HttpResponse<String>>> asked)
      throws Exception {
    HttpResponse<String> last =
        asked.getLast().exceptionally(gone -> null).get(10, TimeUnit.SECONDS);
    assertTrue(last == null || last.statusCode() != 200, () -> "answered: " + last.body());
  }

  @Test
  void whoHasNothingToDoEndsWithZero() throws Exception {
    try (Served served = new Served(60)) {
      served.kill();
      assertEquals(0, served.exit(Duration.ofSeconds(10)), served::err);
    }
  }
}
