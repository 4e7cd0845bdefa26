package dev.fovea.backend;

import dev.fovea.program.Plan;
import dev.fovea.tensor.Axis;
import java.lang.foreign.MemorySegment;

/** A compiled program. Running it allocates nothing. Not safe for use by several threads at once. */
public interface Executable extends AutoCloseable {

  Plan plan();

  /**
   * How many rows of a leading axis count from now on: tensors that begin with that axis are computed and read up to there. At first
   * all do.
   */
  void live(Axis axis, int rows);

  /** Sets the first bytes of an input. */
  void write(String input, MemorySegment from);

  /** Computes every output from the inputs, weights and state. */
  void run();

  /** Copies the first bytes of an output. */
  void read(String output, MemorySegment to);

  /** Whether a run goes on while the caller does something else, so that it pays to begin the next before this one's result is asked for. */
  default boolean asynchronous() {
    return false;
  }

  /**
   * Keeps what an output holds after the runs begun so far, so that later runs do not change it, for {@link #collect}. Two may be kept at a
   * time.
   */
  void post(String output);

  /** Copies out the first bytes of what was posted first and not yet collected; waits until it is there. */
  void collect(MemorySegment to);

  /** Copies out of the arena; for tests that look at memory a program does not own. */
  void peek(long offset, MemorySegment to);

  /** Copies into the arena; for tests. */
  void poke(long offset, MemorySegment from);

  @Override
  void close();
}
