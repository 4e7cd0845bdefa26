package dev.fovea.cuda;

import static dev.fovea.binding.NativeLibrary.unexpected;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The emulated device. A process has one; drivers that are open at the same time share it, and the first decides what it is like. It does
 * everything at once, so waiting is asking what went wrong.
 */
final class EmulatorDriver implements Driver {
  private static final int MESSAGE_BYTES = 4096;

  /** The library's functions beside those of {@link Library}. */
  private static final class Functions {
    private static final FunctionDescriptor ADDRESS_OF_BYTES =
        FunctionDescriptor.of(JAVA_LONG, JAVA_LONG);
    private static final Library LIBRARY = Library.emulated();

    static final MethodHandle OPEN = LIBRARY.bind(
        "fovea_emulator_open", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT));
    static final MethodHandle CLOSE =
        LIBRARY.bind("fovea_emulator_close", FunctionDescriptor.ofVoid());
    static final MethodHandle ALLOCATE = LIBRARY.bind("fovea_emulator_allocate", ADDRESS_OF_BYTES);
    static final MethodHandle FREE =
        LIBRARY.bind("fovea_emulator_free", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
    static final MethodHandle COPY = LIBRARY.bind(
        "fovea_emulator_copy", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    static final MethodHandle FILL = LIBRARY.bind(
        "fovea_emulator_fill", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG));
    static final MethodHandle BEGIN_CAPTURE =
        LIBRARY.bind("fovea_emulator_begin_capture", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
    static final MethodHandle END_CAPTURE = LIBRARY.bind(
        "fovea_emulator_end_capture", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    static final MethodHandle LAUNCH_GRAPH = LIBRARY.bind(
        "fovea_emulator_launch_graph", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    static final MethodHandle FREE_GRAPH =
        LIBRARY.bind("fovea_emulator_free_graph", FunctionDescriptor.ofVoid(JAVA_LONG));
    static final MethodHandle SYNCHRONIZE = LIBRARY.bind(
        "fovea_emulator_synchronize", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT));
    static final MethodHandle LIVE =
        LIBRARY.bind("fovea_emulator_live", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG));
    static final long GEMM = LIBRARY.address("fovea_emulator_gemm");
    static final MethodHandle LAUNCHES =
        LIBRARY.bind("fovea_emulator_launches", FunctionDescriptor.of(JAVA_LONG));
  }

  private record Memory(long address) implements Place {}

  /** Host memory that goes with its arena. */
  private record Pinned(long address, Arena own) implements Place {}

  private record Recorded(long address) implements Graph {}

  /** Everything is past as soon as it is enqueued. */
  private record Now() implements Mark {}

  private static int users;

  private final int capability;
  private final MemorySegment message;
  private final Arena own = Arena.ofShared();
  private boolean closed;

  /**
   * Opens the device, or shares the one that is open.
   *
   * @param seed decides the order of threads
   * @param capability 90 for 9.0
   */
  EmulatorDriver(long seed, int capability, int multiprocessors) {
    synchronized (EmulatorDriver.class) {
      if (users == 0) {
        try {
          check((int) Functions.OPEN.invokeExact(seed, capability, multiprocessors), "opening");
        } catch (Throwable e) {
          throw unexpected(e);
        }
      }
      users++;
    }
    this.capability = capability;
    this.message = own.allocate(MESSAGE_BYTES);
  }

  private static void check(int status, String what) {
    if (status != 0) {
      throw new BackendException(
          "the emulated device: " + what + ": " + NativeLibrary.status(status));
    }
  }

  /** Allocations that are live, on all open devices together. */
  static long live() {
    try {
      return (long) Functions.LIVE.invokeExact(0L);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Kernel launches so far. */
  static long launches() {
    try {
      return (long) Functions.LAUNCHES.invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public String describe() {
    return "emulated on the processor, compute capability " + capability / 10 + "."
        + capability % 10;
  }

  @Override
  public int capability() {
    return capability;
  }

  @Override
  public boolean asynchronous() {
    return false;
  }

  @Override
  public void enter() {
    if (closed) {
      throw new BackendException("the emulated device is closed");
    }
  }

  @Override
  public Place allocate(long bytes) {
    try {
      long address = (long) Functions.ALLOCATE.invokeExact(bytes);
      if (address == 0) {
        throw new BackendException("the emulated device has no memory for " + bytes + " bytes");
      }
      return new Memory(address);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void free(Place memory) {
    try {
      check((int) Functions.FREE.invokeExact(memory.address()), "freeing memory");
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public Place pin(long bytes) {
    Arena arena = Arena.ofShared();
    return new Pinned(arena.allocate(bytes, 64).address(), arena);
  }

  @Override
  public void unpin(Place memory) {
    ((Pinned) memory).own().close();
  }

  @Override
  public Place at(Place memory, long offset) {
    return new Memory(memory.address() + offset);
  }

  private static void copy(Place to, Place from, long bytes) {
    try {
      check((int) Functions.COPY.invokeExact(to.address(), from.address(), bytes), "copying");
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void toDevice(Place to, Place pinned, long bytes) {
    copy(to, pinned, bytes);
  }

  @Override
  public void toHost(Place pinned, Place from, long bytes) {
    copy(pinned, from, bytes);
  }

  @Override
  public void within(Place to, Place from, long bytes) {
    copy(to, from, bytes);
  }

  @Override
  public void zero(Place to, long bytes) {
    try {
      check((int) Functions.FILL.invokeExact(to.address(), 0, bytes), "filling");
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public long stream() {
    return message.address(); // any number that no other driver of this process has
  }

  @Override
  public long gemm() {
    return Functions.GEMM;
  }

  @Override
  public String gemmNote() {
    return "plain loops in place of cuBLAS";
  }

  @Override
  public Mark mark() {
    return new Now();
  }

  @Override
  public void free(Mark mark) {}

  @Override
  public void record(Mark mark) {}

  @Override
  public void await(Mark mark) {
    synchronize();
  }

  @Override
  public void beginCapture() {
    try {
      check((int) Functions.BEGIN_CAPTURE.invokeExact(stream()), "beginning a capture");
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public Graph endCapture() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      check((int) Functions.END_CAPTURE.invokeExact(stream(), out.address()), "ending a capture");
      return new Recorded(out.get(JAVA_LONG, 0));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void launch(Graph graph) {
    try {
      check(
          (int) Functions.LAUNCH_GRAPH.invokeExact(((Recorded) graph).address(), stream()),
          "launching a graph");
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void free(Graph graph) {
    try {
      Functions.FREE_GRAPH.invokeExact(((Recorded) graph).address());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void synchronize() {
    try {
      int status = (int) Functions.SYNCHRONIZE.invokeExact(message.address(), MESSAGE_BYTES);
      if (status != 0) {
        throw new BackendException(message.getString(0));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    own.close();
    synchronized (EmulatorDriver.class) {
      users--;
      if (users == 0) {
        try {
          Functions.CLOSE.invokeExact();
        } catch (Throwable e) {
          throw unexpected(e);
        }
      }
    }
  }
}
