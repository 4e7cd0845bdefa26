package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * llama.cpp's own programs on the same files: llama-bench for tokens; llama-server, where there is one, for pictures, first tokens and
 * loading. Each is started anew in every round, and is gone when the other side runs.
 */
public final class LlamaCpp implements Contest.Side {
  private static final Duration LOADING = Duration.ofMinutes(5);
  private static final Duration ANSWER = Duration.ofMinutes(10);
  private static final String TIME = "(?m:^)(\\d+)\\.(\\d+)\\.(\\d+)\\.(\\d+) ";
  /** What its log says of a picture, in older and in newer versions. */
  private static final Pattern ENCODED = Pattern.compile("(?:encoded|encoding done) in (\\d+) ms");

  /** How the names of tests end that are done while another process keeps the cores busy. */
  public static final String BUSY = " busy";

  /** The newest only say when they begin and when they go on, in minutes, seconds, milliseconds and microseconds. */
  private static final Pattern ENCODING = Pattern.compile(
      TIME + "[^\n]*encoding mtmd batch.*?" + TIME + "[^\n]*decoding image batch", Pattern.DOTALL);

  /** A question about a picture: a data URI of a PNG, and the words. */
  public record Ask(String picture, String words) {}

  /** Two questions about one new picture for each round. */
  @FunctionalInterface
  public interface Asks {
    List<Ask> next();
  }

  private final Path bench;
  private final @Nullable Path server;
  private final Gguf files;
  private final int threads;
  private final List<String> loads;
  private final List<String> busyLoads;
  private final Asks asks;
  private long peakBytes;

  /**
   * Finds the programs.
   *
   * @param loads llama-bench's flags for what to measure; empty for no tests of tokens
   * @param busyLoads the same for what to measure while another process keeps the cores busy
   * @param asks what to ask about pictures
   */
  public LlamaCpp(
      Map<String, String> environment,
      Gguf files,
      int threads,
      List<String> loads,
      List<String> busyLoads,
      Asks asks) {
    Path found = Command.find(environment, "llama-bench");
    if (found == null) {
      throw new InputException(
          "--vs llama.cpp: there is no llama-bench on the PATH. Get it: apt-get install llama.cpp (Debian), brew install llama.cpp, or"
              + " a build of https://github.com/ggml-org/llama.cpp");
    }
    this.bench = found;
    this.server = files.mmproj() == null ? null : Command.find(environment, "llama-server");
    this.files = files;
    this.threads = threads;
    this.loads = List.copyOf(loads);
    this.busyLoads = List.copyOf(busyLoads);
    this.asks = asks;
  }

  /** Most memory that the server had resident so far, in bytes; 0 if there is no server. */
  public long peakBytes() {
    return peakBytes;
  }

  /** Why there are no figures of pictures; null if there are. */
  public @Nullable String withoutPictures() {
    if (files.mmproj() == null) {
      return "no mmproj file beside the model";
    }
    return server == null ? "no llama-server on the PATH" : null;
  }

  @Override
  public Map<String, Double> measure() {
    Map<String, Double> times = new LinkedHashMap<>();
    times.putAll(tokens(bench(loads)));
    if (!busyLoads.isEmpty()) {
      try (Busy _ = new Busy()) {
        tokens(bench(busyLoads)).forEach((test, time) -> times.put(test + BUSY, time));
      }
    }
    if (server != null && files.mmproj() != null) {
      pictures(server, files.mmproj(), times);
    }
    return times;
  }

  private String bench(List<String> loads) {
    if (loads.isEmpty()) {
      return "";
    }
    List<String> words = new ArrayList<>(List.of(
        bench.toString(),
        "-m",
        files.decoder().toString(),
        "-t",
        String.valueOf(threads),
        "-r",
        "1",
        "-o",
        "jsonl"));
    words.addAll(loads);
    return new Command(Path.of("."), words).output();
  }

  /** Test → nanoseconds, named as Fovea names them. */
  static Map<String, Double> tokens(String lines) {
    Map<String, Double> times = new LinkedHashMap<>();
    for (String line : lines.lines().filter(l -> l.startsWith("{")).toList()) {
      JsonNode row = JsonMapper.shared().readTree(line);
      int prompt = row.path("n_prompt").asInt();
      int answer = row.path("n_gen").asInt();
      int depth = row.path("n_depth").asInt();
      String name = (prompt > 0 ? "pp" + prompt : "")
          + (prompt > 0 && answer > 0 ? "+" : "")
          + (answer > 0 ? "tg" + answer : "")
          + (depth > 0 ? " @ d" + depth : "");
      times.put(name, row.path("avg_ns").asDouble());
    }
    return times;
  }

  /** Nanoseconds that the first picture of a server's log took to encode. */
  static OptionalDouble encoded(String log) {
    Matcher m = ENCODED.matcher(log);
    if (m.find()) {
      return OptionalDouble.of(1e6 * Long.parseLong(m.group(1)));
    }
    m = ENCODING.matcher(log);
    return m.find()
        ? OptionalDouble.of(1e3 * (micros(m, 5) - micros(m, 1)))
        : OptionalDouble.empty();
  }

  private static long micros(Matcher m, int group) {
    long seconds = 60 * Long.parseLong(m.group(group)) + Long.parseLong(m.group(group + 1));
    return 1_000_000 * seconds
        + 1_000 * Long.parseLong(m.group(group + 2))
        + Long.parseLong(m.group(group + 3));
  }

  private void pictures(Path program, Path mmproj, Map<String, Double> times) {
    Path log = null;
    Process process = null;
    try (HttpClient client = HttpClient.newHttpClient()) {
      log = Files.createTempFile("llama-server", ".log");
      int port = freePort();
      String address = "http://127.0.0.1:" + port;
      long start = System.nanoTime();
      process = new ProcessBuilder(
              program.toString(),
              "-m",
              files.decoder().toString(),
              "--mmproj",
              mmproj.toString(),
              "-t",
              String.valueOf(threads),
              "-c",
              "2048",
              "--chat-template",
              "vicuna",
              "--no-jinja", // as a Jinja template it has no place for pictures
              "-lv",
              "4", // says when pictures are encoded
              "--host",
              "127.0.0.1",
              "--port",
              String.valueOf(port))
          .redirectErrorStream(true)
          .redirectOutput(log.toFile())
          .start();
      while (!ready(client, address)) {
        if (!process.isAlive() || System.nanoTime() - start > LOADING.toNanos()) {
          throw new InputException("llama-server did not begin to serve: " + end(log));
        }
        Thread.sleep(10);
      }
      times.put("load", (double) (System.nanoTime() - start));
      List<Ask> questions = asks.next();
      times.put("ttft", ask(client, address, questions.get(0)));
      OptionalDouble encoded = encoded(Files.readString(log));
      if (encoded.isPresent()) {
        times.put("img", encoded.getAsDouble());
      }
      times.put("ttft-again", ask(client, address, questions.get(1)));
      peakBytes = Math.max(peakBytes, Machine.peakBytes(String.valueOf(process.pid())));
    } catch (IOException e) {
      throw new InputException("llama-server: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException("llama-server was interrupted");
    } finally {
      stop(process);
      if (log != null) {
        log.toFile().delete();
      }
    }
  }

  private static void stop(@Nullable Process process) {
    if (process == null) {
      return;
    }
    process.destroy();
    try {
      if (!process.waitFor(Duration.ofSeconds(20))) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      process.destroyForcibly();
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return s.getLocalPort();
    }
  }

  private static boolean ready(HttpClient client, String address) throws InterruptedException {
    try {
      return client
              .send(
                  HttpRequest.newBuilder(URI.create(address + "/health")).build(),
                  HttpResponse.BodyHandlers.discarding())
              .statusCode()
          == 200;
    } catch (IOException e) {
      return false; // it does not listen yet
    }
  }

  /** Nanoseconds from the question to an answer of one token. */
  private static double ask(HttpClient client, String address, Ask ask)
      throws IOException, InterruptedException {
    String body = JsonMapper.shared()
        .writeValueAsString(Map.of(
            "max_tokens",
            1,
            "temperature",
            0,
            "messages",
            List.of(Map.of(
                "role",
                "user",
                "content",
                List.of(
                    Map.of("type", "image_url", "image_url", Map.of("url", ask.picture())),
                    Map.of("type", "text", "text", ask.words()))))));
    HttpRequest request = HttpRequest.newBuilder(URI.create(address + "/v1/chat/completions"))
        .timeout(ANSWER)
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
    long start = System.nanoTime();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    double nanos = System.nanoTime() - start;
    if (response.statusCode() != 200) {
      throw new InputException("llama-server answered " + response.statusCode() + ": "
          + response.body().strip());
    }
    return nanos;
  }

  private static String end(Path log) throws IOException {
    String text = Files.readString(log).strip();
    return text.length() > 600 ? "… " + text.substring(text.length() - 600) : text;
  }
}
