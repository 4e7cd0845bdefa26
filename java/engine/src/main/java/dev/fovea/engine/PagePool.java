package dev.fovea.engine;

import dev.fovea.error.BackendException;

/** Which pages of the key-value cache are free, and how many sequences use each of the others. */
public final class PagePool {
  private final int[] users;
  private final int[] free;
  private int freeCount;

  public PagePool(int pages) {
    users = new int[pages];
    free = new int[pages];
    for (int i = 0; i < pages; i++) {
      free[i] = pages - 1 - i;
    }
    freeCount = pages;
  }

  public int size() {
    return users.length;
  }

  public int free() {
    return freeCount;
  }

  /** A free page, with one user. */
  public int take() {
    if (freeCount == 0) {
      throw new BackendException(
          "all " + users.length + " pages of the key-value cache are in use");
    }
    int page = free[--freeCount];
    users[page] = 1;
    return page;
  }

  public void share(int page) {
    users[page]++;
  }

  public boolean isShared(int page) {
    return users[page] > 1;
  }

  /** One user less; the last one frees the page. */
  public void release(int page) {
    if (users[page] <= 0) {
      throw new IllegalStateException("page " + page + " is free already");
    }
    if (--users[page] == 0) {
      free[freeCount++] = page;
    }
  }
}
