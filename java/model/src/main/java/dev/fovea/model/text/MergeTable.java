package dev.fovea.model.text;

import java.util.Arrays;

/**
 * Which neighbours merge: (left symbol, right symbol) to (rank, merged symbol), open addressing on primitive arrays. The lowest rank
 * merges first; equal ranks merge from the left.
 */
final class MergeTable {
  /** No key uses it: symbols are not negative. */
  private static final long EMPTY = -1;

  private long[] keys = new long[1 << 10];
  private int[] ranks = new int[1 << 10];
  private int[] merged = new int[1 << 10];
  private int size;

  MergeTable() {
    Arrays.fill(keys, EMPTY);
  }

  int size() {
    return size;
  }

  /** Adds a pair; returns false, changing nothing, if it is there already. */
  boolean put(int left, int right, int rank, int result) {
    if (size * 2 >= keys.length) {
      grow();
    }
    long key = key(left, right);
    int slot = slot(key);
    if (keys[slot] == key) {
      return false;
    }
    keys[slot] = key;
    ranks[slot] = rank;
    merged[slot] = result;
    size++;
    return true;
  }

  /** The slot of a pair, or -1 if it does not merge. */
  int find(int left, int right) {
    if (left < 0 || right < 0) {
      return -1;
    }
    long key = key(left, right);
    int slot = slot(key);
    return keys[slot] == key ? slot : -1;
  }

  int rank(int slot) {
    return ranks[slot];
  }

  int merged(int slot) {
    return merged[slot];
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  private int slot(long key) {
    int mask = keys.length - 1;
    long h = key * 0x9E3779B97F4A7C15L; // Fibonacci hashing, Knuth volume 3, section 6.4
    int slot = (int) (h >>> 32) & mask;
    while (keys[slot] != EMPTY && keys[slot] != key) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private void grow() {
    long[] oldKeys = keys;
    int[] oldRanks = ranks;
    int[] oldMerged = merged;
    keys = new long[oldKeys.length * 2];
    ranks = new int[keys.length];
    merged = new int[keys.length];
    Arrays.fill(keys, EMPTY);
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] != EMPTY) {
        int slot = slot(oldKeys[i]);
        keys[slot] = oldKeys[i];
        ranks[slot] = oldRanks[i];
        merged[slot] = oldMerged[i];
      }
    }
  }
}
