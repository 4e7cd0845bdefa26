package dev.fovea.engine;

import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that are kept after their answer was given, so that a prompt that begins alike need not compute that beginning again: the next
 * turn of a conversation, or another question about the same picture. Answers still being written share what they have, too. Whole pages
 * are shared, a page that is shared in part is copied. Least recently used first to go when pages run out.
 */
final class PrefixCache {
  private static final int MOST = 64;

  /** Copies a page of every layer's keys and values. */
  @FunctionalInterface
  interface PageCopy {
    void copy(int from, int to);
  }

  private final PagePool pool;
  private final int pageSize;
  private final PageCopy copy;
  private final Deque<Sequence> kept = new ArrayDeque<>(); // most recently used first

  PrefixCache(PagePool pool, int pageSize, PageCopy copy) {
    this.pool = pool;
    this.pageSize = pageSize;
    this.copy = copy;
  }

  /**
   * A new sequence with pages for {@code positions}, that already holds the longest beginning of {@code keys} that is in the cache; but at
   * most all but one, since the last one must be computed to have logits. Null if the open answers leave too few pages.
   */
  @Nullable
  Sequence begin(long[] keys, int positions, List<Decoding> open) {
    Sequence best = null;
    int length = 0;
    for (Sequence s : kept) {
      int common = Math.min(s.commonPrefix(keys, keys.length), keys.length - 1);
      if (common > length) {
        best = s;
        length = common;
      }
    }
    if (best != null) {
      kept.remove(best);
      kept.addFirst(best);
    }
    for (Decoding d : open) {
      int common = Math.min(d.sequence().commonPrefix(keys, keys.length), keys.length - 1);
      if (common > length) {
        best = d.sequence();
        length = common;
      }
    }
    BitSet pinned = pinned(open);
    for (int i = 0; best != null && i < length / pageSize; i++) {
      pinned.set(best.page(i));
    }
    int needed = pages(positions) - length / pageSize;
    if (pool.size() - pinned.cardinality() < needed) {
      return null;
    }
    if (best != null && length % pageSize != 0) {
      pinned.set(best.page(length / pageSize));
      if (pool.size() - pinned.cardinality() < needed) { // no room for a page and its copy
        length -= length % pageSize;
      }
    }
    Sequence fresh = new Sequence();
    fresh.reserve(positions, pageSize);
    int partial = -1;
    for (int i = 0; best != null && i < pages(length); i++) {
      int page = best.page(i);
      pool.share(page); // so that making room cannot free it
      if ((i + 1) * pageSize <= length) {
        fresh.addPage(page);
      } else {
        partial = page;
      }
    }
    while (fresh.pageCount() < pages(positions)) {
      while (pool.free() == 0) {
        release(kept.removeLast());
      }
      fresh.addPage(pool.take());
    }
    if (partial >= 0) {
      copy.copy(partial, fresh.page(length / pageSize));
      pool.release(partial);
    }
    for (int i = 0; i < length; i++) {
      fresh.add(keys[i]);
    }
    return fresh;
  }

  private int pages(int positions) {
    return (positions + pageSize - 1) / pageSize;
  }

  /** Whether an open answer is about to compute positions that these keys begin with, a page of them at least. */
  boolean comes(long[] keys, List<Decoding> open) {
    for (Decoding d : open) {
      if (d.unread() > 0) {
        int common = Math.min(d.commonPrefix(keys), keys.length - 1);
        if (common >= d.length() + pageSize) {
          return true;
        }
      }
    }
    return false;
  }

  private static BitSet pinned(List<Decoding> open) {
    BitSet pages = new BitSet();
    for (Decoding d : open) {
      Sequence s = d.sequence();
      for (int i = 0; i < s.pageCount(); i++) {
        pages.set(s.page(i));
      }
    }
    return pages;
  }

  /** Pages that open answers do not hold. */
  int available(List<Decoding> open) {
    return pool.size() - pinned(open).cardinality();
  }

  /** Keeps what was computed of a finished sequence; one that it extends has nothing more to offer and goes. */
  void keep(Sequence s) {
    while (s.pageCount() > pages(s.length())) {
      pool.release(s.removePage());
    }
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

  private void release(Sequence s) {
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
