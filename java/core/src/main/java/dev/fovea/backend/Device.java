package dev.fovea.backend;

import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import dev.fovea.program.Fuse;
import dev.fovea.program.Plan;
import dev.fovea.program.Program;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An open device. Not safe for use by several threads at once. Closing it ends everything compiled or allocated on it. */
public interface Device extends AutoCloseable {

  /** The backend's name. */
  String name();

  /** The machine in words: {@code AVX-512 BF16, 2 threads}. */
  String describe();

  /** A kernel, and why it cannot take the types asked about, or null if it can. */
  record Candidate(Kernel kernel, @Nullable String rejected) {}

  /** The kernels of that op and signature, plainest first; empty if the table has none. */
  List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out);

  /** The best kernel that takes these types; null if there is none. */
  default @Nullable Kernel select(Op op, List<@Nullable TensorType> in, TensorType out) {
    Kernel best = null;
    for (Candidate c : candidates(op, in, out)) {
      best = c.rejected() == null ? c.kernel() : best;
    }
    return best;
  }

  /** Zeroed memory on the device. */
  Buffer allocate(TensorType type);

  /** Numbers that never change, perhaps used where they lie; {@code data} must stay open as long as the device. */
  Buffer constant(TensorType type, MemorySegment data);

  /** Makes a plan runnable; {@code bound} holds a buffer for every weight and state of the program, by name. */
  Executable compile(Plan plan, Map<String, Buffer> bound);

  /** Fuses, plans and compiles. */
  default Executable compile(Program program, Map<String, Buffer> bound) {
    Program fused = Fuse.apply(program, Ops.FUSED, (op, in, out) -> select(op, in, out) != null);
    return compile(Plan.of(fused, this::select), bound);
  }

  /** Measures for about a quarter of a second what this device can do at best. */
  default Ceilings ceilings() {
    return Ceilings.UNKNOWN;
  }

  /**
   * From now on adds up how long the device itself computes, by its own clock, which may slow it down; false if it has none. {@link
   * #stopClock} ends it.
   */
  default boolean startClock() {
    return false;
  }

  /** Ends what {@link #startClock} began: waits for what runs, and returns the nanoseconds that the device computed. */
  default long stopClock() {
    throw new IllegalStateException("no clock was started");
  }

  @Override
  void close();
}
