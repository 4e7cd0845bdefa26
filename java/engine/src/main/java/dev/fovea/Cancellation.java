package dev.fovea;

import java.time.Duration;

/** A way to stop an answer from another thread, or at a point in time; looked at between tokens and between pieces of the prompt. */
public final class Cancellation {
  private final long deadline; // of System.nanoTime(), if there is one
  private final boolean timed;
  private volatile boolean cancelled;

  public Cancellation() {
    this.deadline = 0;
    this.timed = false;
  }

  private Cancellation(long deadline) {
    this.deadline = deadline;
    this.timed = true;
  }

  /** Cancels itself after so long. */
  public static Cancellation after(Duration time) {
    return new Cancellation(System.nanoTime() + time.toNanos());
  }

  public void cancel() {
    cancelled = true;
  }

  public boolean isCancelled() {
    return cancelled || (timed && System.nanoTime() - deadline >= 0);
  }
}
