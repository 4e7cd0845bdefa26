package dev.fovea;

import dev.fovea.engine.Decoding;
import dev.fovea.engine.Generator;
import dev.fovea.error.BackendException;
import dev.fovea.error.QueueFullException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The model's thread: answers as many questions at once as there is room for. Each round reads a piece of the prompts that are not read yet,
 * then computes one token of every answer that is being written; questions begin and end between rounds. Whoever waits comes in order of
 * priority, then of arrival, and nobody overtakes the first of them, so that a long prompt is not starved by short ones.
 */
final class Scheduler {

  private record Waiting(Draft draft, long number) implements Comparable<Waiting> {
    @Override
    public int compareTo(Waiting other) {
      int byPriority = Integer.compare(other.draft.priority(), draft.priority());
      return byPriority != 0 ? byPriority : Long.compare(number, other.number);
    }
  }

  private final Generator generator;
  private final int most;
  private final PriorityQueue<Waiting> waiting = new PriorityQueue<>(); // guarded by this
  private final ArrayDeque<Runnable> jobs = new ArrayDeque<>(); // guarded by this
  private long numbers; // guarded by this
  private boolean closed; // guarded by this
  private final List<Draft> open = new ArrayList<>(); // the thread's own
  private final @Nullable Decoding[] batch;
  private volatile Load load;

  /** @param most questions that may wait */
  Scheduler(Generator generator, int most) {
    this.generator = generator;
    this.most = most;
    this.batch = new Decoding[generator.runner().sizes().sequences()];
    int pages = generator.runner().sizes().pages();
    this.load = new Load(0, 0, batch.length, 0, pages);
  }

  synchronized void submit(Draft draft) {
    accept();
    waiting.add(new Waiting(draft, numbers++));
    notifyAll();
  }

  /** Between rounds. */
  synchronized void run(Runnable job) {
    accept();
    jobs.add(job);
    notifyAll();
  }

  private void accept() {
    if (closed) {
      throw new BackendException("the model is closed");
    }
    if (waiting.size() + jobs.size() >= most) {
      throw new QueueFullException(most);
    }
  }

  /** What is open or waits is still answered. */
  synchronized void close() {
    closed = true;
    notifyAll();
  }

  Load load() {
    Load last = load;
    synchronized (this) {
      return new Load(
          last.answering(), waiting.size(), batch.length, last.pagesUsed(), last.pages());
    }
  }

  /** The thread's life. */
  void serve() {
    while (more()) {
      for (Runnable job = nextJob(); job != null; job = nextJob()) {
        job.run();
      }
      dropCancelled();
      admit();
      round();
      int pages = generator.runner().sizes().pages();
      load = new Load(open.size(), 0, batch.length, pages - generator.available(), pages);
    }
  }

  /** Waits until there is something to do; false at the end. */
  private synchronized boolean more() {
    while (open.isEmpty() && waiting.isEmpty() && jobs.isEmpty()) {
      if (closed) {
        return false;
      }
      try {
        wait();
      } catch (InterruptedException e) {
        // nobody has a reason to: close() says so otherwise
      }
    }
    return true;
  }

  private synchronized @Nullable Runnable nextJob() {
    return jobs.poll();
  }

  private synchronized @Nullable Draft first() {
    Waiting w = waiting.peek();
    return w == null ? null : w.draft();
  }

  private synchronized void remove(Draft draft) {
    waiting.removeIf(w -> w.draft() == draft);
  }

  /** Those who wait and no longer want to are answered at once. */
  private void dropCancelled() {
    List<Draft> dropped = new ArrayList<>();
    synchronized (this) {
      for (Iterator<Waiting> it = waiting.iterator(); it.hasNext(); ) {
        Draft d = it.next().draft();
        if (d.isCancelled()) {
          it.remove();
          dropped.add(d);
        }
      }
    }
    dropped.forEach(d -> d.finish(FinishReason.CANCELLED));
  }

  /** Begins what can begin; but one question a round that has pictures to encode, since others wait for their next token. */
  private void admit() {
    for (Draft d = first(); d != null && open.size() < batch.length; d = first()) {
      try {
        if (!d.begin()) {
          return;
        }
        remove(d);
        open.add(d);
        if (d.imageTime() > 0) {
          return;
        }
      } catch (RuntimeException | Error e) {
        remove(d);
        d.fail(e);
      }
    }
  }

  private void round() {
    end(Draft::isCancelled, FinishReason.CANCELLED);
    try {
      List<Decoding> decodings = open.stream().map(Draft::decoding).toList();
      if (decodings.stream().anyMatch(d -> d.unread() > 0)) {
        generator.read(decodings);
      }
      int n = 0;
      for (Decoding d : decodings) {
        if (d.unread() == 0) {
          batch[n++] = d;
        }
      }
      generator.advance(batch, n);
    } catch (RuntimeException | Error e) { // the device's fault, and everybody's
      open.forEach(d -> d.fail(e));
      open.clear();
      return;
    }
    for (Iterator<Draft> it = open.iterator(); it.hasNext(); ) {
      Draft d = it.next();
      if (d.decoding().unread() == 0) {
        FinishReason reason = d.advance();
        if (reason != null) {
          it.remove();
          d.finish(reason);
        }
      }
    }
  }

  private void end(Predicate<Draft> which, FinishReason reason) {
    for (Iterator<Draft> it = open.iterator(); it.hasNext(); ) {
      Draft d = it.next();
      if (which.test(d)) {
        it.remove();
        d.finish(reason);
      }
    }
  }
}
