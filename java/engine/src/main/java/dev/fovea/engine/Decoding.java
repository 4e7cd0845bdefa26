package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.Sampling;
import dev.fovea.error.ContextLengthException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One answer in the making: {@link #prefill} reads the prompt, then each {@link #next} gives a token. A call of {@code next} allocates
 * nothing, neither on the heap nor outside it. Several are advanced together by {@link Generator#advance}.
 */
public final class Decoding implements AutoCloseable {
  /** Sees logits [V] of every position as they are computed. */
  @FunctionalInterface
  public interface Tap {
    void logits(int position, MemorySegment row);
  }

  private final Generator generator;
  private final Runner runner;
  private final Prompt prompt;
  private final long[] keys;
  private final int[] ids;
  private final int limit; // positions that the answer may come to stand at
  private final @Nullable Decoding[] alone = {this};
  private Sequence sequence = new Sequence();
  private int slot = -1;
  private int cached;
  private Sampling sampling = Sampling.GREEDY;
  private boolean ahead;
  private int begun; // positions whose computing has begun
  private int known; // positions of which the host knows what stands there, computed or not
  private final int[] arrived = new int[2]; // tokens not taken yet, the first first
  private int arrivals;
  private int last = -1; // what arrived last, taken or not
  private @Nullable Tap tap;
  private boolean closed;

  // Where the logits of the last position lie: set by the runner.
  Runner.@Nullable Phase phase;
  int row;

  /** @throws ContextLengthException if the prompt alone does not fit the context */
  Decoding(Generator generator, Prompt prompt, int most) {
    this.generator = generator;
    this.runner = generator.runner();
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
    this.limit = (int) Math.min(context, (long) n + most);
  }

  /** Goes on from what the cache has of the prompt; every page up to the limit is there. */
  void start(Sequence has, Sampling how) {
    sequence = has;
    sampling = how;
    cached = has.length();
    begun = cached;
    known = ids.length;
    ahead = runner.asynchronous();
    slot = runner.open(this);
  }

  long[] keys() {
    return keys;
  }

  /** How many leading positions of the prompt agree with {@code other}. */
  int commonPrefix(long[] other) {
    int m = Arrays.mismatch(keys, other);
    return m < 0 ? keys.length : m;
  }

  int limit() {
    return limit;
  }

  int slot() {
    return slot;
  }

  int[] ids() {
    return ids;
  }

  Sampling sampling() {
    return sampling;
  }

  Sequence sequence() {
    return sequence;
  }

  /** The position that the next step computes. */
  int position() {
    return begun;
  }

  /** Has every position's logits shown to {@code tap}; the runner must be made for as many logits as rows, and nothing else be open. */
  public void trace(Tap tap) {
    this.tap = tap;
    ahead(false);
  }

  @Nullable
  Tap tap() {
    return tap;
  }

  /**
   * Whether a step may begin before the token it computes was taken from {@link #next}: what a device that computes on its own needs to be
   * kept busy, and the default on one. Without it {@link #logits} are those that the last token was chosen from.
   */
  public void ahead(boolean may) {
    this.ahead = may;
  }

  boolean ahead() {
    return ahead;
  }

  /** Positions of the prompt that were in the cache. */
  public int cached() {
    return cached;
  }

  /** Positions in the cache now. */
  public int length() {
    return sequence.length();
  }

  /** Positions of the prompt still to be computed. */
  public int unread() {
    return Math.max(0, ids.length - sequence.length());
  }

  /** Whether there is room for another token: in the context, and of those that were asked for. */
  public boolean hasRoom() {
    return known - arrivals < limit;
  }

  /** Logits [V] of the last position computed, valid until they are asked for again; see {@link #ahead}. */
  public MemorySegment logits() {
    return runner.logits(this);
  }

  /**
   * Computes the rest of the prompt.
   *
   * @param stop asked between chunks; if it says yes, prefill ends early and returns false
   */
  public boolean prefill(BooleanSupplier stop) {
    while (unread() > 0) {
      if (stop.getAsBoolean()) {
        return false;
      }
      generator.read(List.of(this));
    }
    return true;
  }

  /** So many positions of the prompt were computed. */
  void read(int n) {
    int from = sequence.length();
    for (int i = 0; i < n; i++) {
      sequence.add(keys[from + i]);
    }
    begun = from + n;
    show(from, n);
  }

  /** Copies row r of the prompt's pictures. */
  void pictureRow(int r, MemorySegment to, int at) {
    int width = runner.config().decoder().width();
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
    generator.advance(alone, 1);
    return take();
  }

  /** The first token that has arrived and was not taken; {@link Generator#advance} sees to it that there is one. */
  public int take() {
    if (arrivals == 0) {
      throw new IllegalStateException("no token has arrived");
    }
    int first = arrived[0];
    arrived[0] = arrived[1];
    arrivals--;
    return first;
  }

  /** Tokens that can be taken. */
  int ready() {
    return arrivals;
  }

  /** Tokens whose computing has begun and that have not arrived. */
  int begunTokens() {
    return begun - known + 1;
  }

  /** Whether a step whose token is not known yet has room and will be wanted. */
  boolean goesOn() {
    return begun + 1 < limit;
  }

  /** A step has begun. */
  void begun() {
    begun++;
    if (begun == known) {
      sequence.add(last);
    }
    show(begun - 1, 1);
  }

  /** A token was chosen. */
  void arrive(int token) {
    if (closed) {
      return;
    }
    arrived[arrivals++] = token;
    last = token;
    known++;
    if (begun == known) {
      sequence.add(token);
    }
  }

  /** Shows the logits of n positions to the tap, if there is one. */
  private void show(int from, int n) {
    Tap to = tap;
    if (to != null) {
      long bytes = 4L * runner.config().decoder().vocabulary();
      MemorySegment rows = n == 1 ? runner.logits(this) : runner.logits();
      for (int i = 0; i < n; i++) {
        to.logits(from + i, rows.asSlice((i + 1) % n * bytes, bytes)); // the last position's first
      }
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
      runner.close(this);
      generator.close(this, sequence);
    }
  }
}
