package dev.fovea.server;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import java.time.Duration;

/** Ends a connection unless it is stopped in time. While an answer is being written it is stopped: that may take as long as it takes. */
final class Patience {
  private static final long NONE = -1;

  private final Vertx vertx;
  private final HttpConnection connection;
  private final long milliseconds;
  private long timer = NONE; // guarded by this
  private Runnable late; // guarded by this

  Patience(Vertx vertx, HttpConnection connection, Duration time) {
    this.vertx = vertx;
    this.connection = connection;
    this.milliseconds = time.toMillis();
    this.late = connection::close;
  }

  synchronized void start() {
    stop();
    late = connection::close;
    timer = vertx.setTimer(milliseconds, t -> expired().run());
  }

  /** What to do in place of closing the connection, once a request's head is there and somebody can be told. */
  synchronized void orElse(Runnable then) {
    late = then;
  }

  private synchronized Runnable expired() {
    timer = NONE;
    return late;
  }

  synchronized void stop() {
    if (timer != NONE) {
      vertx.cancelTimer(timer);
      timer = NONE;
    }
  }
}
