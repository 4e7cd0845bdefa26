package dev.fovea.opencl;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Ceilings;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.lwjgl.opencl.CL10;

/** An open OpenCL device: a context, one queue that runs things in order, programs and memory. */
final class OpenClDevice implements Device {
  /** What goes to a device at once; its drivers pin as much at a time. */
  private static final long PIECE = 64L << 20;

  /** A recipe on a signature. */
  record OpenClKernel(Recipe recipe, String signature) implements Kernel {
    @Override
    public String op() {
      return recipe.op();
    }

    @Override
    public String variant() {
      return recipe.variant();
    }
  }

  private final Found found;
  private final long context;
  private final long queue;
  private final Programs programs;
  /** Buffers and executables that are open. */
  private final Set<AutoCloseable> open = new LinkedHashSet<>();

  /** What ran since somebody last asked whether it went well. */
  private final Set<OpenClExecutable> ran = new LinkedHashSet<>();

  /** While time is kept: whose queue then takes the place of ours. */
  private @Nullable Clock clock;

  private @Nullable Tuning tuning;
  private long taken;
  private boolean closed;

  OpenClDevice(Found found) {
    this.found = found;
    this.context = Cl.context(found.platform(), found.device());
    try {
      this.queue = Cl.queue(context, found.device(), false);
    } catch (BackendException e) {
      Cl.releaseContext(context);
      throw e;
    }
    this.programs = new Programs(context, found, NativeLibrary.cacheFolder().resolve("opencl"));
  }

  /** The queue; throws once closed. */
  long queue() {
    if (closed) {
      throw new BackendException("the opencl device is closed");
    }
    return clock == null ? queue : clock.queue();
  }

  /** Measured when it is first asked for, if no earlier process did. */
  Tuning tuning() {
    if (tuning == null) {
      tuning = Tuning.of(found, programs.tuning(), probe()::tune);
    }
    return tuning;
  }

  private Probe probe() {
    return new Probe(this, found);
  }

  @Nullable
  Clock clock() {
    return clock;
  }

  Programs programs() {
    return programs;
  }

  void ran(OpenClExecutable executable) {
    ran.add(executable);
  }

  /** Throws what went wrong in a run: whoever reads a state has no output to find it with. */
  void judge() {
    while (!ran.isEmpty()) {
      OpenClExecutable next = ran.iterator().next();
      ran.remove(next);
      next.judge();
    }
  }

  void forget(AutoCloseable resource) {
    if (resource instanceof OpenClExecutable e) {
      ran.remove(e);
    }
    open.remove(resource);
  }

  @Override
  public String name() {
    return "opencl";
  }

  @Override
  public String describe() {
    return found.name() + ", " + found.units()
        + (found.units() == 1 ? " compute unit" : " compute units")
        + found.driver().substring(found.driver().lastIndexOf(", driver "));
  }

  @Override
  public List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out) {
    String signature = Node.signature(in, out);
    List<Candidate> candidates = new ArrayList<>();
    Recipe.Asked asked = new Recipe.Asked(op, in, out, tuning());
    for (Recipe r : Recipes.ALL) {
      if (r.op().equals(op.name())) {
        candidates.add(
            new Candidate(new OpenClKernel(r, signature), r.refuses().why(asked, found)));
      }
    }
    return candidates;
  }

  /** Throws if the device has not so much memory, or no buffer may be so large. */
  private void room(long bytes) {
    queue();
    long free = Math.max(0, found.memory() - taken);
    if (found.memory() > 0 && bytes > free) {
      throw new BackendException("OpenCL: " + mega(bytes) + " were asked for, " + mega(free)
          + " are free of the " + mega(found.memory()) + " of " + found.name());
    }
    if (found.largest() > 0 && bytes > found.largest()) {
      throw new BackendException("OpenCL: a buffer of " + mega(bytes)
          + " was asked for, the largest of " + found.name() + " is " + mega(found.largest()));
    }
  }

  /** Memory of the device, its contents undefined. */
  long memory(long bytes) {
    room(bytes);
    long handle = Cl.buffer(context, CL10.CL_MEM_READ_WRITE, bytes, 0);
    taken += bytes;
    return handle;
  }

  private static String mega(long bytes) {
    return String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
  }

  void free(long handle, long bytes) {
    Cl.releaseBuffer(handle);
    taken -= bytes;
  }

  @Override
  public Buffer allocate(TensorType type) {
    long handle = memory(type.bytes());
    OpenClBuffer buffer = new OpenClBuffer(this, type, handle);
    open.add(buffer);
    Cl.zero(queue(), handle, type.bytes());
    return buffer;
  }

  /** Where device and host share memory, numbers are used where they lie; elsewhere they are copied. */
  @Override
  public Buffer constant(TensorType type, MemorySegment data) {
    if (data.byteSize() != type.bytes()) {
      throw new InputException(
          type + " takes " + type.bytes() + " bytes, the memory given has " + data.byteSize());
    }
    OpenClBuffer buffer;
    if (found.shared()) {
      room(data.byteSize());
      long handle = Cl.buffer(
          context,
          CL10.CL_MEM_READ_ONLY | CL10.CL_MEM_USE_HOST_PTR,
          data.byteSize(),
          data.address());
      taken += data.byteSize();
      buffer = new OpenClBuffer(this, type, handle);
      open.add(buffer);
    } else {
      buffer = new OpenClBuffer(this, type, memory(type.bytes()));
      open.add(buffer);
      buffer.upload(data, 0);
    }
    return buffer;
  }

  @Override
  public Executable compile(Plan plan, Map<String, Buffer> bound) {
    queue();
    OpenClExecutable executable = new OpenClExecutable(this, plan, bound);
    open.add(executable);
    return executable;
  }

  /** Copies to the device, in pieces; returns when all is there. */
  void send(long buffer, long offset, MemorySegment from) {
    if (!from.isNative()) {
      try (Arena arena = Arena.ofConfined()) {
        send(buffer, offset, arena.allocate(from.byteSize(), 64).copyFrom(from));
      }
      return;
    }
    for (long at = 0; at < from.byteSize(); at += PIECE) {
      long n = Math.min(PIECE, from.byteSize() - at);
      Cl.write(queue(), buffer, true, offset + at, from.asSlice(at, n), 0);
    }
  }

  /** Copies from the device, after everything enqueued before. */
  void fetch(long buffer, long offset, MemorySegment to) {
    if (!to.isNative()) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment there = arena.allocate(to.byteSize(), 64);
        fetch(buffer, offset, there);
        to.copyFrom(there);
      }
      return;
    }
    for (long at = 0; at < to.byteSize(); at += PIECE) {
      long n = Math.min(PIECE, to.byteSize() - at);
      Cl.read(queue(), buffer, true, offset + at, to.asSlice(at, n), 0);
    }
  }

  @Override
  public boolean startClock() {
    if (clock != null) {
      throw new IllegalStateException("a clock runs already");
    }
    clock = anotherClock();
    return true;
  }

  /** A clock of its own, which the caller closes. */
  Clock anotherClock() {
    Cl.finish(queue());
    return new Clock(Cl.queue(context, found.device(), true));
  }

  @Override
  public long stopClock() {
    Clock stopped = clock;
    if (stopped == null) {
      throw new IllegalStateException("no clock was started");
    }
    clock = null;
    try (stopped) {
      return stopped.nanos();
    }
  }

  @Override
  public Ceilings ceilings() {
    return probe().ceilings();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    if (clock != null) {
      stopClock();
    }
    Cl.finish(queue);
    for (AutoCloseable resource : List.copyOf(open).reversed()) {
      if (resource instanceof OpenClExecutable e) {
        e.close();
      } else if (resource instanceof OpenClBuffer b) {
        b.close();
      }
    }
    closed = true;
    programs.close();
    Cl.releaseQueue(queue);
    Cl.releaseContext(context);
  }
}
