package dev.fovea.engine;

import dev.fovea.Sampling;
import dev.fovea.backend.Device;
import dev.fovea.error.BackendException;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Answers prompts, several at a time, sharing what they have in common. One thread at a time.
 *
 * <p>A token of each of several answers is one run of the decoder. What an answer says does not depend on what runs beside it, as far as
 * the backend's kernels give a row the same bits in every batch.
 */
public final class Generator implements AutoCloseable {
  private final Runner runner;
  private final PrefixCache cache;
  private final List<Decoding> open = new ArrayList<>();
  private final @Nullable Decoding[] group;

  public Generator(Device device, ModelConfig config, ParameterSource weights, Runner.Sizes sizes) {
    this.runner = new Runner(device, config, weights, sizes);
    this.cache = new PrefixCache(runner.pool(), sizes.pageSize(), runner::copyPage);
    this.group = new Decoding[sizes.sequences()];
  }

  public Runner runner() {
    return runner;
  }

  /**
   * Begins an answer; the caller closes it. Its pages are taken at once, so that it cannot run out of them on the way.
   *
   * @param most tokens that the answer may have; only room is made for them
   * @throws dev.fovea.error.ContextLengthException if the prompt alone does not fit the context
   * @throws BackendException if answers that are still open leave no room
   */
  public Decoding begin(Prompt prompt, Sampling sampling, int most) {
    Decoding decoding = begin(new Decoding(this, prompt, most), sampling);
    if (decoding == null) {
      throw new BackendException("no room for another answer: " + open.size() + " of "
          + runner.sizes().sequences() + " are open and leave " + available() + " of "
          + runner.pool().size() + " pages of the key-value cache");
    }
    return decoding;
  }

  /**
   * As {@link #begin}, but null if open answers leave no room, or if one of them is about to compute what this prompt begins with too. If
   * nothing is open it begins or throws.
   */
  public @Nullable Decoding tryBegin(Prompt prompt, Sampling sampling, int most) {
    if (open.isEmpty()) {
      return begin(prompt, sampling, most);
    }
    Decoding decoding = new Decoding(this, prompt, most);
    return cache.comes(decoding.keys(), open) ? null : begin(decoding, sampling);
  }

  private @Nullable Decoding begin(Decoding decoding, Sampling sampling) {
    if (open.size() == runner.sizes().sequences()) {
      return null;
    }
    Sequence sequence = cache.begin(decoding.keys(), decoding.limit(), open);
    if (sequence == null) {
      return null;
    }
    decoding.start(sequence, sampling);
    open.add(decoding);
    return decoding;
  }

  /** Pages that would be free if nothing were kept for later prompts. */
  public int available() {
    return cache.available(open);
  }

  void close(Decoding decoding, Sequence sequence) {
    open.remove(decoding);
    cache.keep(sequence);
  }

  /**
   * Computes more of prompts that are not computed yet, as much as one run takes, the first ones first.
   *
   * @param decodings some of which may be ready
   */
  public void read(List<Decoding> decodings) {
    List<Runner.Chunk> chunks = new ArrayList<>();
    int room = runner.sizes().rows();
    for (Decoding d : decodings) {
      int n = Math.min(room, d.unread());
      if (n > 0 && chunks.size() < Math.max(1, runner.sizes().sequences())) {
        chunks.add(new Runner.Chunk(d, d.length(), n, n == d.unread()));
        room -= n;
      }
    }
    if (!chunks.isEmpty()) {
      runner.prompt(chunks);
      for (Runner.Chunk c : chunks) {
        c.of().read(c.n());
      }
    }
  }

  /**
   * Has another token ready for each of these, whose prompts have been read and which have room; {@link Decoding#take} gives it. Allocates
   * nothing.
   *
   * @param n how many of the array count
   */
  public void advance(@Nullable Decoding[] batch, int n) {
    boolean ahead = true;
    int idle = 0;
    for (int i = 0; i < n; i++) {
      Decoding d = at(batch, i);
      ahead &= d.ahead();
      if (d.ready() + d.begunTokens() == 0) {
        group[idle++] = d;
      }
    }
    step(idle);
    if (ahead) {
      int next = 0;
      for (int i = 0; i < n; i++) {
        Decoding d = at(batch, i);
        if (d.ready() + d.begunTokens() == 1 && d.goesOn()) {
          group[next++] = d;
        }
      }
      step(next);
    }
    for (int i = 0; i < n; i++) {
      while (at(batch, i).ready() == 0) {
        runner.collect();
      }
    }
  }

  static Decoding at(@Nullable Decoding[] batch, int i) {
    Decoding d = batch[i];
    if (d == null) {
      throw new IllegalArgumentException("no answer at " + i);
    }
    return d;
  }

  private void step(int n) {
    if (n == 0) {
      return;
    }
    runner.step(group, n);
    for (int i = 0; i < n; i++) {
      at(group, i).begun();
    }
  }

  /** Forgets every kept sequence. */
  public void forget() {
    cache.clear();
  }

  @Override
  public void close() {
    runner.close();
  }
}
