package dev.fovea.server;

import dev.fovea.Cancellation;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One request with its whole body, and the way to answer it. Who writes waits while more than a little has not been taken, so that a slow reader
 * slows down the one thread that works for it, and nothing piles up.
 */
final class Call {
  static final String JSON = "application/json";

  /** A reader that takes nothing for so long is gone. */
  private static final long MOST_WAIT_S = 30;

  private static final JsonMapper MAPPER = JsonMapper.shared();

  private final Vertx vertx;
  private final HttpServerRequest request;
  private final byte[] body;
  private final Cancellation cancellation = new Cancellation();
  private volatile boolean gone;

  Call(Vertx vertx, HttpServerRequest request, byte[] body) {
    this.vertx = vertx;
    this.request = request;
    this.body = body;
    request.response().closeHandler(v -> gone());
    request.response().exceptionHandler(e -> gone());
  }

  private void gone() {
    gone = true;
    cancellation.cancel();
  }

  static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  byte[] body() {
    return body;
  }

  String method() {
    return request.method().name();
  }

  String path() {
    return request.path();
  }

  @Nullable
  String header(String name) {
    return request.getHeader(name);
  }

  /** Cancelled when the client leaves, streaming or not. */
  Cancellation cancellation() {
    return cancellation;
  }

  void header(String name, String value) {
    request.response().putHeader(name, value);
  }

  boolean begun() {
    return request.response().headWritten();
  }

  void json(int status, JsonNode body) {
    send(status, JSON, MAPPER.writeValueAsBytes(body));
  }

  void send(int status, String type, byte[] body) {
    HttpServerResponse response = request.response();
    response.setStatusCode(status).putHeader("Content-Type", type);
    if (request.method().name().equals("HEAD")) {
      response.putHeader("Content-Length", Integer.toString(body.length));
      await(response.end());
    } else {
      await(response.end(Buffer.buffer(body)));
    }
  }

  /** Tells what is wrong; where the answer has begun, as an event of it. */
  void fail(ApiException e) {
    // Not asked of the cancellation: one failure among several answers cancels the others, too, and
    // the client is still there to be told.
    if (request.response().ended() || gone) {
      return;
    }
    if (begun()) {
      await(request.response().end("data: " + MAPPER.writeValueAsString(error(e)) + "\n\n"));
      return;
    }
    if (e.retryAfter() > 0) {
      header("Retry-After", Integer.toString(e.retryAfter()));
    }
    if (e.isFinal()) {
      header("x-should-retry", "false"); // OpenAI's clients ask again after every other 408
    }
    if (e.status() == 401) {
      header("WWW-Authenticate", "Bearer");
    }
    json(e.status(), error(e));
  }

  static ObjectNode error(ApiException e) {
    ObjectNode body = object();
    body.putObject("error")
        .put("message", e.getMessage())
        .put("type", e.type())
        .put("param", e.param())
        .put("code", e.code());
    return body;
  }

  EventStream events() {
    return new EventStream(vertx, request.response());
  }

  /** Waits for a write; a client that left or takes nothing cancels its work. */
  private void await(Future<Void> written) {
    try {
      await(written, MOST_WAIT_S);
    } catch (GoneException e) {
      gone();
    }
  }

  private static void await(Future<Void> written, long seconds) {
    try {
      written.toCompletionStage().toCompletableFuture().get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new GoneException();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GoneException();
    }
  }

  /** The client is not there any more. */
  static final class GoneException extends RuntimeException {
    private static final long serialVersionUID = 1;

    GoneException() {
      super("the client left", null, false, false);
    }
  }

  /**
   * Server-sent events, WHATWG HTML section 9.2. The head goes out with the first of them, so that a request can be refused with a status until
   * then. While there is nothing to tell, a comment goes out every second: it shows the client that it waits, and the server that it left.
   */
  static final class EventStream {
    private static final long PING_MS = 1_000;

    private final Vertx vertx;
    private final HttpServerResponse response;
    private final long timer;
    private boolean begun; // guarded by this
    private boolean ended; // guarded by this
    private long last = System.nanoTime(); // guarded by this

    private EventStream(Vertx vertx, HttpServerResponse response) {
      this.vertx = vertx;
      this.response = response;
      this.timer = vertx.setPeriodic(PING_MS / 2, t -> ping());
    }

    private synchronized void ping() {
      if (!ended
          && !response.closed()
          && !response.writeQueueFull()
          && System.nanoTime() - last >= TimeUnit.MILLISECONDS.toNanos(PING_MS)) {
        write(": waiting\n\n");
      }
    }

    /** Waits only where the reader is behind: one thread less to wait for between a token and its reader. */
    void send(JsonNode event) {
      Future<Void> written = put("data: " + MAPPER.writeValueAsString(event) + "\n\n");
      if (response.writeQueueFull()) {
        await(written, MOST_WAIT_S);
      }
    }

    void end() {
      Future<Void> written;
      synchronized (this) {
        written = write("data: [DONE]\n\n");
        ended = true;
      }
      await(written, MOST_WAIT_S);
      await(response.end(), MOST_WAIT_S);
    }

    /** To be called once, however the stream ended. */
    void close() {
      synchronized (this) {
        ended = true;
      }
      vertx.cancelTimer(timer);
    }

    private synchronized Future<Void> put(String text) {
      return write(text);
    }

    private Future<Void> write(String text) {
      if (response.closed()) {
        throw new GoneException();
      }
      if (!begun) {
        begun = true;
        response
            .setChunked(true)
            .putHeader("Content-Type", "text/event-stream; charset=utf-8")
            .putHeader("Cache-Control", "no-store")
            .putHeader("X-Accel-Buffering", "no"); // nginx would hold events back
      }
      last = System.nanoTime();
      return response.write(text);
    }
  }
}
