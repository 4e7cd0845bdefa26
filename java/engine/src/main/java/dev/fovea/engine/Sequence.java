package dev.fovea.engine;

import java.util.Arrays;

/**
 * The positions of one conversation that are in the key-value cache: what stands at each, and in which pages.
 *
 * <p>What stands at a position is a token id, or for a row of a picture a negative number made from the picture's content and the row, so
 * that equal keys mean equal content.
 */
final class Sequence {
  private long[] keys = new long[256];
  private int length;
  private int[] pages = new int[16];
  private int pageCount;

  int length() {
    return length;
  }

  int pageCount() {
    return pageCount;
  }

  int page(int i) {
    return pages[i];
  }

  void addPage(int page) {
    if (pageCount == pages.length) {
      pages = Arrays.copyOf(pages, 2 * pages.length);
    }
    pages[pageCount++] = page;
  }

  int removePage() {
    return pages[--pageCount];
  }

  /** Makes room so that the next {@code positions} additions allocate nothing. */
  void reserve(int positions, int pageSize) {
    int need = length + positions;
    if (keys.length < need) {
      keys = Arrays.copyOf(keys, need);
    }
    int needPages = (need + pageSize - 1) / pageSize;
    if (pages.length < needPages) {
      pages = Arrays.copyOf(pages, needPages);
    }
  }

  void add(long key) {
    if (length == keys.length) {
      keys = Arrays.copyOf(keys, 2 * keys.length);
    }
    keys[length++] = key;
  }

  /** How many leading positions agree with {@code wanted[0 … n−1]}. */
  int commonPrefix(long[] wanted, int n) {
    int m = Arrays.mismatch(keys, 0, length, wanted, 0, n);
    return m < 0 ? n : m;
  }

  /** Whether everything in {@code other} stands here too. */
  boolean covers(Sequence other) {
    return other.length <= length
        && Arrays.equals(keys, 0, other.length, other.keys, 0, other.length);
  }

  /** Empties the record; whoever calls has given the pages back. */
  void forget() {
    length = 0;
    pageCount = 0;
  }
}
