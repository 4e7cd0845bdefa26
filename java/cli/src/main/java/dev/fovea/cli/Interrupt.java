package dev.fovea.cli;

import dev.fovea.Cancellation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets ctrl-C end an answer cleanly: the JVM's shutdown cancels it, and waits a little until the model is closed. The JVM then exits with
 * 130 of its own accord.
 */
final class Interrupt implements AutoCloseable {
  /** Longer than a chunk of a prompt takes on a slow machine, short enough not to look hung. */
  private static final long PATIENCE_SECONDS = 3;

  private final CountDownLatch done = new CountDownLatch(1);
  private final Cancellation cancellation = new Cancellation();
  private final Thread hook;

  Interrupt() {
    hook = new Thread(() -> {
      cancellation.cancel();
      try {
        boolean ended = done.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (!ended) {
          return; // the process ends anyway
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    });
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** What ctrl-C cancels. */
  Cancellation cancellation() {
    return cancellation;
  }

  @Override
  public void close() {
    done.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is shutting down: the hook is what we are answering to.
    }
  }
}
