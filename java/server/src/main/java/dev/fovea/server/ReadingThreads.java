package dev.fovea.server;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;

/**
 * Threads of the operating system that take apart what requests bring: JSON with pictures in it, PNG and JPEG. A virtual thread keeps its
 * carrier until it waits for something, so one that decodes for milliseconds holds up every answer that is being written; these share the
 * processors with them. Few, which also bounds the memory that decoding takes.
 */
final class ReadingThreads implements AutoCloseable {
  private static final int MOST = 4;

  private final ExecutorService threads = Executors.newFixedThreadPool(
      Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, MOST),
      Thread.ofPlatform().daemon().name("fovea-read-", 0).factory());

  /** Does it there and waits. What it throws comes out here. */
  <T> T read(Supplier<T> work) {
    try {
      return CompletableFuture.supplyAsync(work, threads).join();
    } catch (CompletionException e) {
      switch (e.getCause()) {
        case RuntimeException r -> throw r;
        case Error error -> throw error;
        case null, default -> throw e;
      }
    }
  }

  /** What has begun is finished; nobody may be waiting. */
  @Override
  public void close() {
    threads.shutdown();
  }
}
