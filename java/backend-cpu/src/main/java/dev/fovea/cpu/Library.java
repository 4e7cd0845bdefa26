package dev.fovea.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.error.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The native library, loaded once. Pointers cross as longs: who owns the memory keeps it open for the call, and a call costs no bookkeeping.
 *
 * <p>The library is a resource of this module. It is unpacked into a cache folder named after its content, so that several JVMs can share
 * it and a new build never meets an old one. {@code -Dfovea.native.cpu=FILE} loads another file, for a build with sanitizers.
 */
@SuppressWarnings("restricted") // the one class that binds native code
final class Library {
  private static final int ABI_VERSION = 1;
  private static final @Nullable String PROBLEM;
  private static final @Nullable Library LOADED;

  static {
    Library loaded = null;
    String problem = null;
    try {
      loaded = new Library(SymbolLookup.libraryLookup(file(), Arena.global()));
      int version = (int) loaded.abiVersion.invokeExact();
      if (version != ABI_VERSION) {
        problem = "the native library speaks ABI " + version + ", this jar " + ABI_VERSION;
      }
    } catch (BackendException | IllegalArgumentException | UncheckedIOException e) {
      problem = e.getMessage();
    } catch (Throwable e) {
      problem = e.toString();
    }
    LOADED = loaded;
    PROBLEM = problem;
  }

  private final MethodHandle abiVersion;
  private final MethodHandle bestTier;
  private final MethodHandle kernelCount;
  private final MethodHandle kernelAt;
  private final MethodHandle rejects;
  private final MethodHandle scratchBytes;
  private final MethodHandle open;
  private final MethodHandle close;
  private final MethodHandle read;
  private final MethodHandle allocate;
  private final MethodHandle free;

  /** Constant once loaded, so that a step costs one direct call. */
  private static final MethodHandle RUN = LOADED == null ? failing() : LOADED.run;

  private final MethodHandle run;

  private Library(SymbolLookup symbols) {
    abiVersion = bind(symbols, "fovea_abi_version", FunctionDescriptor.of(JAVA_INT));
    bestTier = bind(symbols, "fovea_cpu_best_tier", FunctionDescriptor.of(JAVA_INT));
    kernelCount = bind(symbols, "fovea_cpu_kernel_count", FunctionDescriptor.of(JAVA_INT));
    kernelAt =
        bind(symbols, "fovea_cpu_kernel_at", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    rejects =
        bind(symbols, "fovea_cpu_rejects", FunctionDescriptor.of(ADDRESS, JAVA_INT, JAVA_LONG));
    scratchBytes = bind(
        symbols,
        "fovea_cpu_scratch_bytes",
        FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    open = bind(symbols, "fovea_cpu_open", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    close = bind(symbols, "fovea_cpu_close", FunctionDescriptor.ofVoid(JAVA_LONG));
    run = bind(
        symbols,
        "fovea_cpu_run",
        FunctionDescriptor.of(
            JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    read = bind(
        symbols,
        "fovea_cpu_read",
        FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    allocate = bind(symbols, "fovea_cpu_allocate", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG));
    free = bind(symbols, "fovea_cpu_free", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));
  }

  private static MethodHandle failing() {
    return java.lang.invoke.MethodHandles.empty(java.lang.invoke.MethodType.methodType(
        int.class, long.class, long.class, int.class, long.class, long.class, long.class));
  }

  private static MethodHandle bind(SymbolLookup symbols, String name, FunctionDescriptor type) {
    MemorySegment symbol = symbols
        .find(name)
        .orElseThrow(() -> new BackendException("the native library has no " + name));
    return Linker.nativeLinker().downcallHandle(symbol, type);
  }

  /** Why the library cannot be used; null if it can. */
  static @Nullable String problem() {
    return PROBLEM;
  }

  private static Library get() {
    Library l = LOADED;
    if (l == null || PROBLEM != null) {
      throw new BackendException("the cpu backend cannot run: " + PROBLEM);
    }
    return l;
  }

  static int bestTier() {
    try {
      return (int) get().bestTier.invokeExact();
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
      int count = (int) get().kernelCount.invokeExact();
      for (int i = 0; i < count; i++) {
        check((int) get().kernelAt.invokeExact(i, info.address()), "fovea_cpu_kernel_at");
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

  /** The library's strings are short and live as long as it does. */
  private static String string(MemorySegment pointer) {
    return pointer.reinterpret(4096).getString(0);
  }

  static @Nullable String rejects(int kernel, MemorySegment args) {
    try {
      MemorySegment reason = (MemorySegment) get().rejects.invokeExact(kernel, args.address());
      return reason.address() == 0 ? null : string(reason);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long scratchBytes(int kernel, MemorySegment args, int threads) {
    try {
      return (long) get().scratchBytes.invokeExact(kernel, args.address(), threads);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long open(int threads) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
      check(
          (int) get().open.invokeExact(threads, out.address()),
          "opening the cpu with " + threads + " threads");
      return out.get(JAVA_LONG, 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static void close(long cpu) {
    try {
      get().close.invokeExact(cpu);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int run(long cpu, long steps, int count, long scratch, long scratchBytes, long failed) {
    try {
      return (int) RUN.invokeExact(cpu, steps, count, scratch, scratchBytes, failed);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static long read(long cpu, MemorySegment data) {
    try {
      return (long) get().read.invokeExact(cpu, data.address(), data.byteSize());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Zeroed memory that is taken from the machine as it is first written, and given back with the arena. */
  static MemorySegment allocate(long bytes, Arena arena) {
    try {
      Library library = get();
      long address = (long) library.allocate.invokeExact(bytes);
      if (address == 0) {
        throw new BackendException("no memory for " + bytes + " bytes");
      }
      return MemorySegment.ofAddress(address)
          .reinterpret(bytes, arena, memory -> library.free(memory, bytes));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private void free(MemorySegment memory, long bytes) {
    try {
      free.invokeExact(memory.address(), bytes);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static void check(int status, String what) {
    if (status != 0) {
      throw new BackendException(what + ": " + status(status));
    }
  }

  /** The ABI's status codes in words. */
  static String status(int status) {
    return switch (status) {
      case 1 -> "arguments that make no sense";
      case 2 -> "a token id, row, position or page out of range";
      case 3 -> "not supported on this machine";
      case 4 -> "out of memory";
      case 5 -> "a logit that is not a number";
      default -> "status " + status;
    };
  }

  private static RuntimeException unexpected(Throwable e) {
    if (e instanceof RuntimeException r) {
      return r;
    }
    if (e instanceof Error error) {
      throw error;
    }
    return new BackendException("native call failed: " + e, e);
  }

  private static Path file() {
    String given = System.getProperty("fovea.native.cpu");
    if (given != null) {
      return Path.of(given);
    }
    String arch = System.getProperty("os.arch").replace("amd64", "x86_64");
    String os = System.getProperty("os.name")
        .toLowerCase(Locale.ROOT)
        .replaceAll("^mac.*", "macos")
        .replaceAll("^windows.*", "windows");
    String name = System.mapLibraryName("fovea_cpu");
    String resource = "/natives/" + os + "-" + arch + "/" + name;
    try (InputStream in = Library.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new BackendException("this build has no native library for " + os + "-" + arch);
      }
      byte[] bytes = in.readAllBytes();
      String hash = HexFormat.of()
          .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes))
          .substring(0, 16);
      Path file = cacheFolder().resolve(hash).resolve(name);
      if (!Files.exists(file) || Files.size(file) != bytes.length) {
        unpack(bytes, file);
      }
      return file;
    } catch (IOException e) {
      throw new BackendException("the native library cannot be unpacked: " + e.getMessage(), e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Path cacheFolder() {
    String given = System.getProperty("fovea.cache", System.getenv("XDG_CACHE_HOME"));
    Path base = given != null ? Path.of(given) : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("fovea");
  }

  private static void unpack(byte[] bytes, Path file) throws IOException {
    Files.createDirectories(file.getParent());
    Path fresh = Files.createTempFile(file.getParent(), "unpacking", ".tmp");
    try {
      Files.write(fresh, bytes);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException | FileAlreadyExistsException e) {
      Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
  }
}
