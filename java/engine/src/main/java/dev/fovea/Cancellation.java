package dev.fovea;

import java.time.Duration;

/** A way to stop an answer from another thread, or at a point in time; looked at between tokens and between pieces of the prompt. */
public final class Cancellation {
  private final long made = System.nanoTime();
  private volatile long most = Long.MAX_VALUE; // nanoseconds since then
  private volatile boolean cancelled;

  /** Cancels itself after so long. */
  public static Cancellation after(Duration time) {
    Cancellation c = new Cancellation();
    c.cancelAfter(time);
    return c;
  }

  public void cancel() {
    cancelled = true;
  }

  /** Cancels itself after so long from now; the last call counts. */
  public void cancelAfter(Duration time) {
    most = System.nanoTime() - made + time.toNanos();
  }

  public boolean isCancelled() {
    return cancelled || hasExpired();
  }

  /** Whether the time it was given is over, whoever else cancelled it. */
  public boolean hasExpired() {
    long most = this.most;
    return most != Long.MAX_VALUE && System.nanoTime() - made >= most;
  }
}
