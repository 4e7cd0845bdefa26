package dev.fovea.opencl;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A queue that keeps time, and how long the kernels on it computed. */
final class Clock implements AutoCloseable {
  /** Events that wait to be read: each holds memory of the driver. */
  private static final int MOST = 1024;

  private final long queue;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment events = arena.allocate(JAVA_LONG, MOST);
  private int waiting;
  private long nanos;

  /** Takes over the queue. */
  Clock(long queue) {
    this.queue = queue;
  }

  long queue() {
    return queue;
  }

  /** Enqueues a kernel, as {@link Cl#enqueue} does. */
  void enqueue(long kernel, long items, long groups) {
    if (waiting == MOST) {
      read();
    }
    Cl.enqueue(queue, kernel, items, groups, events.address() + 8L * waiting);
    waiting++;
  }

  private void read() {
    Cl.finish(queue);
    while (waiting > 0) {
      long event = events.getAtIndex(JAVA_LONG, --waiting);
      try {
        nanos += Cl.nanos(event);
      } finally {
        Cl.releaseEvent(event);
      }
    }
  }

  /** Waits for all that is enqueued, and returns how long the kernels computed. */
  long nanos() {
    read();
    return nanos;
  }

  @Override
  public void close() {
    try {
      read();
    } finally {
      arena.close();
      Cl.releaseQueue(queue);
    }
  }
}
