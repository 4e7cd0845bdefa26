package dev.fovea.cuda;

import static dev.fovea.binding.NativeLibrary.string;
import static dev.fovea.binding.NativeLibrary.unexpected;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * The kernels and launchers, bound once for each of the two libraries. Pointers cross as longs: who owns the memory keeps it open for
 * the call. Calls through it are made when a program is compiled or captured, not per token.
 *
 * <p>{@code -Dfovea.native.cuda=FILE} and {@code -Dfovea.native.cuda-emulated=FILE} load other files.
 */
@SuppressWarnings("restricted") // the one class that binds native code
final class Library {
  /** {@code fovea_cuda_module}: name, image, bytes. */
  private static final int MODULE_BYTES = 24;

  private static final int MESSAGE_BYTES = 1024;

  /** A line of the kernel table. */
  record Entry(
      int index, String op, String signature, String variant, int capability, int argsBytes) {}

  private static final FunctionDescriptor GEMM = FunctionDescriptor.of(
      JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG,
      JAVA_LONG);

  private final String folder;
  private final SymbolLookup symbols;
  private final MethodHandle moduleCount;
  private final MethodHandle moduleAt;
  private final MethodHandle kernelCount;
  private final MethodHandle kernelAt;
  private final MethodHandle open;
  private final MethodHandle close;
  private final MethodHandle overlap;
  private final MethodHandle offerGemm;
  private final MethodHandle rejects;
  private final MethodHandle scratchBytes;
  private final MethodHandle enqueue;
  private final MethodHandle rejectsPersistent;
  private final MethodHandle table;
  private final MethodHandle enqueuePersistent;
  private final MethodHandle split;
  private final MethodHandle join;

  private Library(Path file) {
    symbols = SymbolLookup.libraryLookup(file, Arena.global());
    folder = String.valueOf(file.toAbsolutePath().getParent());
    try {
      int version =
          (int) bind("fovea_abi_version", FunctionDescriptor.of(JAVA_INT)).invokeExact();
      if (version != NativeLibrary.ABI_VERSION) {
        throw new BackendException(file.getFileName() + " speaks ABI " + version + ", this jar "
            + NativeLibrary.ABI_VERSION);
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
    moduleCount = bind("fovea_cuda_module_count", FunctionDescriptor.of(JAVA_INT));
    moduleAt = bind("fovea_cuda_module_at", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    kernelCount = bind("fovea_cuda_kernel_count", FunctionDescriptor.of(JAVA_INT));
    kernelAt = bind("fovea_cuda_kernel_at", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    open = bind(
        "fovea_cuda_open", status(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT));
    close = bind("fovea_cuda_close", FunctionDescriptor.ofVoid(JAVA_LONG));
    overlap = bind("fovea_cuda_overlap", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_INT));
    offerGemm = bind("fovea_cuda_offer_gemm", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));
    rejects =
        bind("fovea_cuda_rejects", FunctionDescriptor.of(ADDRESS, JAVA_LONG, JAVA_INT, JAVA_LONG));
    scratchBytes = bind(
        "fovea_cuda_scratch_bytes",
        FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG));
    enqueue = bind(
        "fovea_cuda_enqueue",
        status(
            JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
            JAVA_INT));
    rejectsPersistent =
        bind("fovea_cuda_rejects_persistent", FunctionDescriptor.of(ADDRESS, JAVA_LONG));
    table = bind(
        "fovea_cuda_table",
        status(
            JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
            JAVA_INT));
    enqueuePersistent = bind(
        "fovea_cuda_enqueue_persistent",
        status(
            JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
            JAVA_LONG, JAVA_INT));
    split = bind(
        "fovea_cuda_split_blocks", status(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    join = bind(
        "fovea_cuda_join_blocks", status(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  }

  private static FunctionDescriptor status(MemoryLayout... in) {
    return FunctionDescriptor.of(JAVA_INT, in);
  }

  /** A function of this library. */
  MethodHandle bind(String name, FunctionDescriptor type) {
    return Linker.nativeLinker().downcallHandle(symbol(name), type);
  }

  /** Where a function of this library is. */
  long address(String name) {
    return symbol(name).address();
  }

  private MemorySegment symbol(String name) {
    return symbols
        .find(name)
        .orElseThrow(() -> new BackendException("the native library has no " + name));
  }

  /** The address at which native code can call it, as long as {@code life} is open. */
  static long callable(Gemm gemm, Arena life) {
    try {
      MethodHandle method =
          MethodHandles.lookup().findVirtual(Gemm.class, "multiply", GEMM.toMethodType());
      return Linker.nativeLinker().upcallStub(method.bindTo(gemm), GEMM, life).address();
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A library once loaded, or why it cannot be. */
  private record Loaded(@Nullable Library library, String problem) {
    static Loaded of(String name, String property) {
      try {
        String given = System.getProperty(property);
        return new Loaded(
            new Library(given != null ? Path.of(given) : NativeLibrary.file(Library.class, name)),
            "");
      } catch (BackendException | IllegalArgumentException e) {
        return new Loaded(null, String.valueOf(e.getMessage()));
      }
    }

    Library get() {
      if (library == null) {
        throw new BackendException(problem);
      }
      return library;
    }
  }

  private static final class Real {
    static final Loaded LOADED = Loaded.of("fovea_cuda", "fovea.native.cuda");
  }

  private static final class Emulated {
    static final Loaded LOADED = Loaded.of("fovea_cuda_emulated", "fovea.native.cuda-emulated");
  }

  /** The library that launches on libcuda.so.1; throws if this build has none. */
  static Library real() {
    return Real.LOADED.get();
  }

  /** The library that runs kernels on the processor. */
  static Library emulated() {
    return Emulated.LOADED.get();
  }

  /** Whether this machine has a library, {@code libcuda.so.1} say, where the system looks for them. */
  static boolean isThere(String name) {
    try {
      SymbolLookup.libraryLookup(name, Arena.global());
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** Launchers and device code in a word, another one for each build that has others. */
  String build() {
    CRC32 sum = new CRC32();
    sum.update(
        folder.getBytes(StandardCharsets.UTF_8)); // the file's folder is named after its content
    try {
      int count = (int) moduleCount.invokeExact();
      for (int i = 0; i < count; i++) {
        sum.update(image(string((MemorySegment) moduleAt.invokeExact(i))));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return Long.toHexString(sum.getValue());
  }

  List<Entry> kernels() {
    List<Entry> entries = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(32, 8);
      int count = (int) kernelCount.invokeExact();
      for (int i = 0; i < count; i++) {
        int status = (int) kernelAt.invokeExact(i, info.address());
        if (status != 0) {
          throw new BackendException("kernel " + i + ": " + NativeLibrary.status(status));
        }
        entries.add(new Entry(
            i,
            string(info.get(ADDRESS, 0)),
            string(info.get(ADDRESS, 8)),
            string(info.get(ADDRESS, 16)),
            info.get(JAVA_INT, 24),
            info.get(JAVA_INT, 28)));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
    return List.copyOf(entries);
  }

  /**
   * Loads every kernel into the current context.
   *
   * @param error device address of an int in which kernels leave what is wrong with their data
   */
  long open(long error) {
    try (Arena arena = Arena.ofConfined()) {
      int count = (int) moduleCount.invokeExact();
      MemorySegment modules = arena.allocate(Math.max(1, count) * (long) MODULE_BYTES, 8);
      for (int i = 0; i < count; i++) {
        MemorySegment name = (MemorySegment) moduleAt.invokeExact(i);
        byte[] image = image(string(name));
        MemorySegment copy = arena.allocate(image.length, 64);
        MemorySegment.copy(MemorySegment.ofArray(image), 0, copy, 0, image.length);
        modules.set(ADDRESS, (long) i * MODULE_BYTES, name);
        modules.set(ADDRESS, (long) i * MODULE_BYTES + 8, copy);
        modules.set(JAVA_LONG, (long) i * MODULE_BYTES + 16, image.length);
      }
      MemorySegment out = arena.allocate(JAVA_LONG);
      MemorySegment message = arena.allocate(MESSAGE_BYTES);
      int status = (int) open.invokeExact(
          modules.address(), count, error, out.address(), message.address(), MESSAGE_BYTES);
      check(status, "the CUDA kernels cannot be loaded", message);
      return out.get(JAVA_LONG, 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static byte[] image(String module) {
    try (InputStream in = Library.class.getResourceAsStream("/kernels/" + module + ".fatbin")) {
      if (in == null) {
        throw new BackendException("this build has no device code for " + module);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new BackendException("device code of " + module + ": " + e.getMessage(), e);
    }
  }

  private static void check(int status, String what, MemorySegment message) {
    if (status != 0) {
      String line = message.getString(0);
      throw new BackendException(
          what + ": " + (line.isEmpty() ? NativeLibrary.status(status) : line));
    }
  }

  void close(long cuda) {
    try {
      close.invokeExact(cuda);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  void overlap(long cuda, boolean allowed) {
    try {
      overlap.invokeExact(cuda, allowed ? 1 : 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Lets the kernels called {@code cublas} run on a function that does what {@link Gemm} says. */
  void offerGemm(long cuda, long gemm) {
    try {
      offerGemm.invokeExact(cuda, gemm);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Nullable
  String rejects(long cuda, int kernel, MemorySegment args) {
    try {
      MemorySegment reason = (MemorySegment) rejects.invokeExact(cuda, kernel, args.address());
      return reason.address() == 0 ? null : string(reason);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  long scratchBytes(long cuda, int kernel, MemorySegment args) {
    try {
      return (long) scratchBytes.invokeExact(cuda, kernel, args.address());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Why this device has no persistent kernel; null if it has. */
  @Nullable
  String rejectsPersistent(long cuda) {
    try {
      MemorySegment reason = (MemorySegment) rejectsPersistent.invokeExact(cuda);
      return reason.address() == 0 ? null : string(reason);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** The table of these steps' phases, to be brought to the device; empty if a persistent kernel has nothing to do in them. */
  MemorySegment table(
      Arena arena,
      long cuda,
      MemorySegment steps,
      int count,
      long scratch,
      long bytes,
      String program) {
    try {
      MemorySegment size = arena.allocate(JAVA_LONG);
      MemorySegment message = arena.allocate(MESSAGE_BYTES);
      MemorySegment made = MemorySegment.NULL;
      for (int round = 0; round < 2; round++) { // how large, then what
        int status = (int) table.invokeExact(
            cuda,
            steps.address(),
            count,
            scratch,
            bytes,
            made.address(),
            size.address(),
            message.address(),
            MESSAGE_BYTES);
        check(status, program, message);
        if (size.get(JAVA_LONG, 0) == 0) {
          break;
        }
        if (round == 0) {
          made = arena.allocate(size.get(JAVA_LONG, 0), 16);
        }
      }
      return made;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Enqueues steps on a stream.
   *
   * @param table of a persistent kernel's phases, on the device; 0: every step is launched by itself
   */
  void enqueue(
      long cuda,
      MemorySegment steps,
      int count,
      long scratch,
      long bytes,
      long table,
      long stream,
      String program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment failed = arena.allocate(JAVA_INT);
      MemorySegment message = arena.allocate(MESSAGE_BYTES);
      int status = table == 0
          ? (int) enqueue.invokeExact(
              cuda,
              steps.address(),
              count,
              scratch,
              bytes,
              stream,
              failed.address(),
              message.address(),
              MESSAGE_BYTES)
          : (int) enqueuePersistent.invokeExact(
              cuda,
              steps.address(),
              count,
              scratch,
              bytes,
              table,
              stream,
              failed.address(),
              message.address(),
              MESSAGE_BYTES);
      check(status, program, message);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Blocks as stored become quants and scales as a device has them. */
  void split(int dtype, long blocks, long count, long quants, long scales) {
    try {
      int status = (int) split.invokeExact(dtype, blocks, count, quants, scales);
      if (status != 0) {
        throw new BackendException("splitting blocks: " + NativeLibrary.status(status));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** And back. */
  void join(int dtype, long quants, long scales, long count, long blocks) {
    try {
      int status = (int) join.invokeExact(dtype, quants, scales, count, blocks);
      if (status != 0) {
        throw new BackendException("joining blocks: " + NativeLibrary.status(status));
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }
}
