package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.Sampling;
import dev.fovea.error.ContextLengthException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One answer in the making: {@link #prefill} reads the prompt, then each {@link #next} gives a token. A call of {@code next} allocates
 * nothing, neither on the heap nor outside it.
 */
public final class Decoding implements AutoCloseable {
  /** Sees logits [V] of every position as they are computed. */
  @FunctionalInterface
  public interface Tap {
    void logits(int position, MemorySegment row);
  }

  private static final MemorySegment NO_IMAGE = MemorySegment.NULL;

  private final Runner runner;
  private final PrefixCache cache;
  private final Prompt prompt;
  private final long[] keys;
  private final int[] ids;
  private final Sequence sequence;
  private final int cached;
  private boolean ahead;
  private int
      begun; // positions whose computing has begun; the host knows what stands at sequence.length()
  // of them
  private int known; // positions of which the host knows what stands there, computed or not
  private int last = -1; // the token at the last of those
  private @Nullable Tap tap;
  private boolean closed;

  /**
   * Begins with whatever of the prompt the cache holds already.
   *
   * @throws ContextLengthException if the prompt alone does not fit the context
   */
  Decoding(Runner runner, PrefixCache cache, Prompt prompt, Sampling sampling, int reserve) {
    this.runner = runner;
    this.cache = cache;
    this.prompt = prompt;
    int n = prompt.ids().size();
    int context = runner.sizes().context();
    if (n == 0) {
      throw new IllegalArgumentException("an empty prompt");
    }
    if (n >= context) {
      throw new ContextLengthException("the prompt and one token of answer", n + 1, context);
    }
    this.ids = prompt.ids().stream().mapToInt(Integer::intValue).toArray();
    this.keys = keys(ids, prompt.pictures());
    this.sequence = cache.begin(keys, n);
    this.cached = sequence.length();
    sequence.reserve(Math.min(context, n + reserve) - cached, runner.pageSize());
    this.begun = cached;
    this.known = n;
    this.ahead = runner.asynchronous();
    runner.begin(ids, sampling);
  }

  /** Has every position's logits shown to {@code tap}; the runner must be made for as many logits as rows. */
  public void trace(Tap tap) {
    this.tap = tap;
    ahead(false);
  }

  /**
   * Whether a step may begin before the token it computes was taken from {@link #next}: what a device that computes on its own needs to be
   * kept busy, and the default on one. Without it {@link #logits} are those that the last token was chosen from.
   */
  public void ahead(boolean may) {
    this.ahead = may;
  }

  /** Positions of the prompt that were in the cache. */
  public int cached() {
    return cached;
  }

  /** Positions in the cache now. */
  public int length() {
    return sequence.length();
  }

  /** Whether another token fits the context. */
  public boolean hasRoom() {
    return known < runner.sizes().context();
  }

  /** Logits [V] of the last position computed, valid until they are asked for again; see {@link #ahead}. */
  public MemorySegment logits() {
    return runner.logits();
  }

  /**
   * Computes the rest of the prompt.
   *
   * @param stop asked between chunks; if it says yes, prefill ends early and returns false
   */
  public boolean prefill(BooleanSupplier stop) {
    int width = runner.config().decoder().width();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = prompt.pictures().isEmpty()
          ? NO_IMAGE
          : arena.allocate(4L * width * runner.sizes().rows(), 64);
      int[] local = new int[runner.sizes().rows()];
      while (sequence.length() < ids.length) {
        if (stop.getAsBoolean()) {
          return false;
        }
        int from = sequence.length();
        int n = Math.min(runner.sizes().rows(), ids.length - from);
        int rows = 0;
        for (int i = 0; i < n; i++) {
          int id = ids[from + i];
          if (id < 0) {
            row(-1 - id, width, staging, rows);
            id = -1 - rows++;
          }
          local[i] = id;
        }
        makeRoom(from + n);
        MemorySegment image = rows == 0 ? NO_IMAGE : staging.asSlice(0, 4L * width * rows);
        boolean all = from + n == ids.length;
        runner.prompt(sequence, local, from, n, image, tap == null ? 1 : n, all);
        show(from, n);
        for (int i = 0; i < n; i++) {
          sequence.add(keys[from + i]);
        }
        begun = from + n;
      }
    }
    return true;
  }

  private void row(int r, int width, MemorySegment to, int at) {
    for (Features f : prompt.pictures()) {
      if (r < f.rows()) {
        MemorySegment.copy(
            f.data(), JAVA_FLOAT, 4L * width * r, to, JAVA_FLOAT, 4L * width * at, width);
        return;
      }
      r -= f.rows();
    }
    throw new IllegalArgumentException("the prompt names a picture row beyond its pictures");
  }

  /** The next token of the answer. There must be room for it. */
  public int next() {
    if (begun < known) {
      begin();
    }
    if (ahead && begun == known && known + 1 < runner.sizes().context()) {
      begin();
    }
    last = runner.next();
    known++;
    if (begun == known) {
      sequence.add(last);
    }
    return last;
  }

  /** Begins to compute the next position; what stands there is known to the device. */
  private void begin() {
    makeRoom(begun + 1);
    runner.step(sequence);
    show(begun, 1);
    begun++;
    if (begun == known) {
      sequence.add(last);
    }
  }

  /** Shows the logits of n positions to the tap, if there is one. */
  private void show(int from, int n) {
    Tap to = tap;
    if (to != null) {
      long bytes = 4L * runner.config().decoder().vocabulary();
      MemorySegment rows = n == 1 ? runner.logits() : runner.logits(n);
      for (int i = 0; i < n; i++) {
        to.logits(from + i, rows.asSlice((i + 1) % n * bytes, bytes)); // the last position's first
      }
    }
  }

  private void makeRoom(int positions) {
    int need = (positions + runner.pageSize() - 1) / runner.pageSize();
    while (sequence.pageCount() < need) {
      sequence.addPage(cache.take(sequence));
    }
  }

  private static long[] keys(int[] ids, List<Features> pictures) {
    long[] keys = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      keys[i] = ids[i];
      int r = -1 - ids[i];
      if (r >= 0) {
        for (Features f : pictures) {
          if (r < f.rows()) {
            keys[i] = (f.hash() ^ (r + 1) * 0x9E3779B97F4A7C15L) | Long.MIN_VALUE;
            break;
          }
          r -= f.rows();
        }
      }
    }
    return keys;
  }

  /** Ends the answer; what was computed stays in the cache for prompts that begin alike. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      cache.keep(sequence);
    }
  }
}
