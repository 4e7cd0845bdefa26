package dev.fovea;

/** A way to stop an answer from another thread; looked at between tokens and between chunks of the prompt. */
public final class Cancellation {
  private volatile boolean cancelled;

  public void cancel() {
    cancelled = true;
  }

  public boolean isCancelled() {
    return cancelled;
  }
}
