package dev.fovea.engine;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;

/**
 * Sequences that are kept after their answer was given, so that a prompt that begins alike need not compute that beginning again: the next
 * turn of a conversation, or another question about the same picture. Whole pages are shared, a page that is shared in part is copied.
 * Least recently used first to go when pages run out.
 */
final class PrefixCache {
  private static final int MOST = 64;

  private final Runner runner;
  private final PagePool pool;
  private final Deque<Sequence> kept = new ArrayDeque<>(); // most recently used first

  PrefixCache(Runner runner) {
    this.runner = runner;
    this.pool = runner.pool();
  }

  /**
   * A new sequence that already holds the longest prefix of {@code keys[0 … n−1]} that is in the cache, but at most n−1 positions: the last
   * one must be computed to have logits.
   */
  Sequence begin(long[] keys, int n) {
    Sequence best = null;
    int length = 0;
    for (Sequence s : kept) {
      int common = Math.min(s.commonPrefix(keys, n), n - 1);
      if (common > length) {
        best = s;
        length = common;
      }
    }
    Sequence fresh = new Sequence();
    if (best == null) {
      return fresh;
    }
    kept.remove(best);
    kept.addFirst(best);
    int whole = length / runner.pageSize();
    for (int i = 0; i < whole; i++) {
      pool.share(best.page(i));
      fresh.addPage(best.page(i));
    }
    if (length % runner.pageSize() != 0) {
      int partial = best.page(whole);
      pool.share(partial); // so that making room cannot free it
      try {
        int copy = take(fresh);
        runner.copyPage(partial, copy);
        fresh.addPage(copy);
      } finally {
        pool.release(partial);
      }
    }
    for (int i = 0; i < length; i++) {
      fresh.add(keys[i]);
    }
    return fresh;
  }

  /** A free page, evicting kept sequences if need be. {@code forWhom} is released if there is none. */
  int take(Sequence forWhom) {
    while (pool.free() == 0 && !kept.isEmpty()) {
      release(kept.removeLast());
    }
    try {
      return pool.take();
    } catch (RuntimeException e) {
      release(forWhom);
      throw e;
    }
  }

  /** Keeps a finished sequence; one that it extends has nothing more to offer and goes. */
  void keep(Sequence s) {
    for (Iterator<Sequence> it = kept.iterator(); it.hasNext(); ) {
      Sequence old = it.next();
      if (s.covers(old)) {
        it.remove();
        release(old);
      }
    }
    kept.addFirst(s);
    while (kept.size() > MOST) {
      release(kept.removeLast());
    }
  }

  void release(Sequence s) {
    for (int i = 0; i < s.pageCount(); i++) {
      pool.release(s.page(i));
    }
    s.forget();
  }

  void clear() {
    while (!kept.isEmpty()) {
      release(kept.removeLast());
    }
  }
}
