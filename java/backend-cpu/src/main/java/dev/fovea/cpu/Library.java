package dev.fovea.cpu;

import static dev.fovea.binding.NativeLibrary.status;
import static dev.fovea.binding.NativeLibrary.string;
import static dev.fovea.binding.NativeLibrary.unexpected;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The native library, loaded once. Pointers cross as longs: who owns the memory keeps it open for the call, and a call costs no bookkeeping.
 *
 * <p>{@code -Dfovea.native.cpu=FILE} loads another file, for a build with sanitizers.
 */
@SuppressWarnings("restricted") // the one class that binds native code
final class Library {
  private static final @Nullable String PROBLEM = load();
  private static final AtomicLong LIVE = new AtomicLong();

  /**
   * The library's functions: constants, so that a step costs one direct call. Where the library cannot be loaded or speaks another ABI
   * this class cannot be used at all, so that nothing calls past {@link #problem()}.
   */
  private static final class Functions {
    private static final SymbolLookup SYMBOLS = SymbolLookup.libraryLookup(file(), Arena.global());

    static {
      int version = version();
      if (version != NativeLibrary.ABI_VERSION) {
        throw new BackendException(
            "the native library speaks ABI " + version + ", this jar " + NativeLibrary.ABI_VERSION);
      }
    }

    static final MethodHandle BEST_TIER =
        bind("fovea_cpu_best_tier", FunctionDescriptor.of(JAVA_INT));
    static final MethodHandle KERNEL_COUNT =
        bind("fovea_cpu_kernel_count", FunctionDescriptor.of(JAVA_INT));
    static final MethodHandle KERNEL_AT =
        bind("fovea_cpu_kernel_at", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    static final MethodHandle REJECTS =
        bind("fovea_cpu_rejects", FunctionDescriptor.of(ADDRESS, JAVA_INT, JAVA_LONG));
    static final MethodHandle SCRATCH_BYTES = bind(
        "fovea_cpu_scratch_bytes", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    static final MethodHandle OPEN =
        bind("fovea_cpu_open", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    static final MethodHandle CLOSE = bind("fovea_cpu_close", FunctionDescriptor.ofVoid(JAVA_LONG));
    static final MethodHandle RUN = bind(
        "fovea_cpu_run",
        FunctionDescriptor.of(
            JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    static final MethodHandle READ =
        bind("fovea_cpu_read", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    static final MethodHandle PEAK = bind(
        "fovea_cpu_peak",
        FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG));
    static final MethodHandle ALLOCATE =
        bind("fovea_cpu_allocate", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG));
    static final MethodHandle FREE =
        bind("fovea_cpu_free", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));

    /** Loads the library, if nothing did, and asks for its version. */
    static int version() {
      try {
        return (int) bind("fovea_abi_version", FunctionDescriptor.of(JAVA_INT)).invokeExact();
      } catch (Throwable e) {
        throw unexpected(e);
      }
    }

    private static MethodHandle bind(String name, FunctionDescriptor type) {
      MemorySegment symbol = SYMBOLS
          .find(name)
          .orElseThrow(() -> new BackendException("the native library has no " + name));
      return Linker.nativeLinker().downcallHandle(symbol, type);
    }
  }

  private Library() {}

  private static @Nullable String load() {
    try {
      Functions.version();
      return null;
    } catch (ExceptionInInitializerError e) {
      Throwable cause = e.getCause();
      return cause instanceof BackendException || cause instanceof IllegalArgumentException
          ? cause.getMessage()
          : String.valueOf(cause);
    }
  }

  /** Why the library cannot be used; null if it can. */
  static @Nullable String problem() {
    return PROBLEM;
  }

  static int bestTier() {
    try {
      return (int) Functions.BEST_TIER.invokeExact();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** A line of the native kernel table. */
  record Entry(int index, String op, String signature, String variant, Tier tier, int argsBytes) {}

  static List<Entry> kernels() {
    List<Entry> entries = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(32, 8);
      int count = (int) Functions.KERNEL_COUNT.invokeExact();
      for (int i = 0; i < count; i++) {
        check((int) Functions.KERNEL_AT.invokeExact(i, info.address()), "fovea_cpu_kernel_at");
        entries.add(new Entry(
            i,
            string(info.get(ADDRESS, 0)),
            string(info.get(ADDRESS, 8)),
            string(info.get(ADDRESS, 16)),
            Tier.of(info.get(JAVA_INT, 24)),
            info.get(JAVA_INT, 28)));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return List.copyOf(entries);
  }

  static @Nullable String rejects(int kernel, MemorySegment args) {
    try {
      MemorySegment reason = (MemorySegment) Functions.REJECTS.invokeExact(kernel, args.address());
      return reason.address() == 0 ? null : string(reason);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long scratchBytes(int kernel, MemorySegment args, int threads) {
    try {
      return (long) Functions.SCRATCH_BYTES.invokeExact(kernel, args.address(), threads);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long open(int threads) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
      check(
          (int) Functions.OPEN.invokeExact(threads, out.address()),
          "opening the cpu with " + threads + " threads");
      LIVE.incrementAndGet();
      return out.get(JAVA_LONG, 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static void close(long cpu) {
    try {
      Functions.CLOSE.invokeExact(cpu);
      LIVE.decrementAndGet();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int run(long cpu, long steps, int count, long scratch, long scratchBytes, long failed) {
    try {
      return (int) Functions.RUN.invokeExact(cpu, steps, count, scratch, scratchBytes, failed);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long read(long cpu, MemorySegment data) {
    try {
      return (long) Functions.READ.invokeExact(cpu, data.address(), data.byteSize());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Operations done; see the ABI. */
  static long peak(long cpu, Tier tier, DType dtype, long rounds) {
    try {
      return (long) Functions.PEAK.invokeExact(cpu, tier.code(), dtype.code(), rounds);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Contexts and blocks of memory that were made and not given back. */
  static long live() {
    return LIVE.get();
  }

  /** Zeroed memory that is taken from the machine as it is first written, and given back with the arena. */
  static MemorySegment allocate(long bytes, Arena arena) {
    try {
      long address = (long) Functions.ALLOCATE.invokeExact(bytes);
      if (address == 0) {
        throw new BackendException("no memory for " + bytes + " bytes");
      }
      LIVE.incrementAndGet();
      return MemorySegment.ofAddress(address)
          .reinterpret(bytes, arena, memory -> free(memory, bytes));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static void free(MemorySegment memory, long bytes) {
    try {
      Functions.FREE.invokeExact(memory.address(), bytes);
      LIVE.decrementAndGet();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static void check(int status, String what) {
    if (status != 0) {
      throw new BackendException(what + ": " + status(status));
    }
  }

  private static Path file() {
    String given = System.getProperty("fovea.native.cpu");
    return given != null ? Path.of(given) : NativeLibrary.file(Library.class, "fovea_cpu");
  }
}
