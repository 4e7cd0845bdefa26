package dev.fovea.binding;

import dev.fovea.error.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;

/**
 * A native library that is a resource of a backend's jar. It is unpacked into a cache folder named after its content, so that several JVMs
 * can share it and a new build never meets an old one.
 */
public final class NativeLibrary {
  /** What {@code fovea_abi_version} of a library that fits this jar says. */
  public static final int ABI_VERSION = 1;

  private NativeLibrary() {}

  /**
   * The library's file.
   *
   * @param owner a class of the jar that has it as {@code /natives/<os>-<arch>/<file name>}
   * @param name without what the system puts round it: {@code fovea_cpu}
   * @throws BackendException if this build has none for this system, or it cannot be written
   */
  public static Path file(Class<?> owner, String name) {
    String file = System.mapLibraryName(name);
    try (InputStream in = owner.getResourceAsStream("/natives/" + system() + "/" + file)) {
      if (in == null) {
        throw new BackendException("this build has no native library for " + system());
      }
      return unpack(in.readAllBytes(), file);
    } catch (IOException e) {
      throw new BackendException("the native library cannot be unpacked: " + e.getMessage(), e);
    }
  }

  /** Whether this build has the library for this system. */
  public static boolean exists(Class<?> owner, String name) {
    return owner.getResource("/natives/" + system() + "/" + System.mapLibraryName(name)) != null;
  }

  /** {@code linux-x86_64}. */
  public static String system() {
    String arch = System.getProperty("os.arch").replace("amd64", "x86_64");
    String os = System.getProperty("os.name")
        .toLowerCase(Locale.ROOT)
        .replaceAll("^mac.*", "macos")
        .replaceAll("^windows.*", "windows");
    return os + "-" + arch;
  }

  private static Path unpack(byte[] bytes, String name) throws IOException {
    Path file = cacheFolder().resolve(hash(bytes)).resolve(name);
    if (Files.exists(file) && Files.size(file) == bytes.length) {
      return file;
    }
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
    return file;
  }

  private static String hash(byte[] bytes) {
    try {
      return HexFormat.of()
          .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes))
          .substring(0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Where this user keeps what can be made again; it may not be there yet. */
  public static Path cacheFolder() {
    String given = System.getProperty("fovea.cache", System.getenv("XDG_CACHE_HOME"));
    Path base = given != null ? Path.of(given) : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("fovea");
  }

  /** A string of the library: short, and alive as long as the library. */
  @SuppressWarnings("restricted") // an address that the ABI says is a string
  public static String string(MemorySegment pointer) {
    return pointer.reinterpret(4096).getString(0);
  }

  /** The ABI's status codes in words. */
  public static String status(int status) {
    return switch (status) {
      case 1 -> "arguments that make no sense";
      case 2 -> "a token id, row, position or page out of range";
      case 3 -> "not supported on this machine";
      case 4 -> "out of memory";
      case 5 -> "a logit that is not a number";
      default -> "status " + status;
    };
  }

  /** What {@code invokeExact} may throw, as what callers expect. */
  public static RuntimeException unexpected(Throwable e) {
    if (e instanceof RuntimeException r) {
      return r;
    }
    if (e instanceof Error error) {
      throw error;
    }
    return new BackendException("native call failed: " + e, e);
  }
}
