package dev.fovea.backend;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@link Executable#post} and {@link Executable#collect} for a device whose runs are over when they return: copies kept in order. */
public final class Mailbox {
  private static final int MOST = 2;

  private final Arena arena;
  private final MemorySegment[] kept = new MemorySegment[MOST];
  private long posted;
  private long collected;

  /** Keeps its copies in that arena. */
  public Mailbox(Arena arena) {
    this.arena = arena;
    Arrays.fill(kept, MemorySegment.NULL);
  }

  /** Where the caller puts what it posts, so many bytes. Allocates only for a size not met before. */
  public MemorySegment post(long bytes) {
    if (posted - collected == MOST) {
      throw new IllegalStateException(MOST + " outputs are posted and not collected");
    }
    int slot = (int) (posted++ % MOST);
    if (kept[slot].byteSize() != bytes) {
      kept[slot] = arena.allocate(bytes, 8);
    }
    return kept[slot];
  }

  public void collect(MemorySegment to) {
    if (posted == collected) {
      throw new IllegalStateException("nothing is posted");
    }
    MemorySegment.copy(kept[(int) (collected++ % MOST)], 0, to, 0, to.byteSize());
  }
}
