package dev.fovea.server;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** A server with the demo model on a free port of this machine, and someone who asks it. */
final class Client implements AutoCloseable {
  static final Path ROOT = Path.of(System.getProperty("fovea.root"));
  static final Path SAMPLES = ROOT.resolve("samples");

  private final HttpClient http = HttpClient.newHttpClient();
  private final Server server;

  private Client(Server server) {
    this.server = server;
  }

  static Client of(ServerOptions options, FoveaOptions model) {
    Client client = new Client(Server.start(
        options.withPort(0).withSamples(SAMPLES),
        "test",
        () -> Fovea.open(ROOT.resolve("models").resolve("demo"), model)));
    client.server.ready().join();
    return client;
  }

  static Client of(ServerOptions options) {
    return of(options, FoveaOptions.builder().threads(2).cacheBytes(64 << 20).build());
  }

  Server server() {
    return server;
  }

  int port() {
    return server.port();
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + path))
        .timeout(Duration.ofSeconds(60));
  }

  HttpResponse<String> send(HttpRequest request) {
    try {
      return http.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  CompletableFuture<HttpResponse<String>> later(HttpRequest request) {
    return http.sendAsync(request, HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> get(String path) {
    return send(request(path).GET().build());
  }

  HttpResponse<String> post(String path, String body) {
    return send(posting(path, body));
  }

  HttpRequest posting(String path, String body) {
    return request(path)
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
  }

  HttpResponse<String> chat(JsonNode body) {
    return post("/v1/chat/completions", body.toString());
  }

  static JsonNode json(HttpResponse<String> response) {
    return JsonMapper.shared().readTree(response.body());
  }

  static String text(HttpResponse<String> response) {
    return json(response).at("/choices/0/message/content").asString();
  }

  static String scene(int number) {
    try {
      byte[] bytes = Files.readAllBytes(SAMPLES.resolve("scene-0" + number + ".png"));
      return "data:image/png;base64," + Base64.getEncoder().encodeToString(bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A question about the first scene. Regions are given as JSON. */
  static ObjectNode question(String text, String... regions) {
    return question(1, text, regions);
  }

  static ObjectNode question(int scene, String text, String... regions) {
    ObjectNode body = JsonMapper.shared().createObjectNode();
    ArrayNode parts = body.putArray("messages").addObject().put("role", "user").putArray("content");
    ObjectNode picture = parts.addObject().put("type", "image_url");
    picture.putObject("image_url").put("url", scene(scene));
    if (regions.length > 0) {
      ArrayNode list = picture.putArray("regions");
      for (String region : regions) {
        list.add(JsonMapper.shared().readTree(region));
      }
    }
    parts.addObject().put("type", "text").put("text", text);
    return body;
  }

  /** The data of a stream's events. */
  static List<String> events(HttpResponse<String> response) {
    List<String> events = new ArrayList<>();
    for (String line : response.body().split("\n", -1)) {
      if (line.startsWith("data: ")) {
        events.add(line.substring("data: ".length()));
      }
    }
    return events;
  }

  @Override
  public void close() {
    server.close();
    http.close();
  }
}
