package dev.fovea.opencl;

import dev.fovea.error.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Programs of a device, built when first asked for and kept until it is closed. What the driver made of one is kept in a file named after
 * the device, its driver, the compiler's options and the source; a file that is not what was written is made again.
 */
final class Programs implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Programs.class.getName());
  private static final int DIGEST_BYTES = 32;

  private final long context;
  private final Found device;
  private final Path folder;
  private final Map<Text, Long> built = new HashMap<>();

  /** @param folder where files are kept; it need not be there yet */
  Programs(long context, Found device, Path folder) {
    this.context = context;
    this.device = device;
    this.folder = folder;
  }

  /** Where what was measured of the device is kept: beside its programs. */
  Path tuning() {
    String key = device.name() + "\n" + device.driver() + "\n" + device.units();
    return folder.resolve(HexFormat.of().formatHex(digest(key), 0, 12) + ".tuning");
  }

  /** Files of kernels/opencl, in order, and macros. */
  record Text(List<String> files, List<String> defines) {
    String name() {
      return String.join("+", files) + " " + String.join(" ", defines);
    }
  }

  /** The program of that text. */
  long of(Text text) {
    Long there = built.get(text);
    if (there == null) {
      all(Set.of(text));
      there = Objects.requireNonNull(built.get(text));
    }
    return there;
  }

  /**
   * Builds what is not built or kept yet, several at a time: each in a context of its own, since a driver's compiler may be locked by
   * context. What comes of it is then loaded into ours, as it will be from its file in later processes.
   */
  void all(Set<Text> texts) {
    List<Text> missing = new ArrayList<>();
    for (Text text : texts) {
      if (!built.containsKey(text)) {
        long program = load(file(text));
        if (program == 0) {
          missing.add(text);
        } else {
          built.put(text, program);
        }
      }
    }
    int threads = Math.min(missing.size(), Runtime.getRuntime().availableProcessors());
    if (threads < 2) {
      missing.forEach(t -> take(t, compile(t)));
      return;
    }
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<byte[]>> binaries =
          missing.stream().map(t -> pool.submit(() -> compile(t))).toList();
      for (int i = 0; i < missing.size(); i++) {
        take(missing.get(i), binaries.get(i).get());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BackendException("OpenCL: interrupted while programs were built", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof BackendException problem) {
        throw problem;
      }
      throw new BackendException("OpenCL: a program cannot be built: " + e.getCause(), e);
    }
  }

  /** A program for once, which is not kept; the caller releases it. */
  long once(Text text) {
    return Cl.program(context, device.device(), text.name(), source(text), options(text));
  }

  /** Keeps what the driver made of a text, and has the program; from the text again where the driver gave nothing that it takes back. */
  private void take(Text text, byte[] binary) {
    keep(file(text), binary);
    long program = binary.length == 0 ? 0 : Cl.program(context, device.device(), binary);
    if (program == 0) {
      program = once(text);
    }
    built.put(text, program);
  }

  private byte[] compile(Text text) {
    long start = System.nanoTime();
    long alone = Cl.context(device.platform(), device.device());
    try {
      long program = Cl.program(alone, device.device(), text.name(), source(text), options(text));
      try {
        return Cl.binary(program);
      } finally {
        Cl.releaseProgram(program);
      }
    } finally {
      Cl.releaseContext(alone);
      LOG.log(
          System.Logger.Level.DEBUG,
          "built {0} in {1} ms",
          text.name(),
          (System.nanoTime() - start) / 1_000_000);
    }
  }

  private static String source(Text text) {
    StringBuilder source = new StringBuilder(read("common.clh"));
    for (String file : text.files()) {
      source.append("#line 1 \"").append(file).append("\"\n").append(read(file));
    }
    return source.toString();
  }

  private String options(Text text) {
    StringBuilder options = new StringBuilder("-cl-std=CL1.2");
    if (device.exactDivision()) {
      options.append(" -cl-fp32-correctly-rounded-divide-sqrt");
    }
    text.defines().forEach(d -> options.append(" -D").append(d));
    return options.toString();
  }

  private Path file(Text text) {
    String key = String.join("\n", device.name(), device.driver(), options(text), source(text));
    return folder.resolve(HexFormat.of().formatHex(digest(key), 0, 12) + ".clbin");
  }

  private static String read(String file) {
    try (InputStream in = Programs.class.getResourceAsStream("/kernels/opencl/" + file)) {
      if (in == null) {
        throw new BackendException("this build has no kernels/opencl/" + file);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new BackendException("kernels/opencl/" + file + ": " + e.getMessage(), e);
    }
  }

  /** What a file holds behind its digest; 0 if there is none, it was damaged, or the driver does not want it. */
  private long load(Path file) {
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      return 0;
    }
    byte[] binary = bytes.length <= DIGEST_BYTES
        ? new byte[0]
        : Arrays.copyOfRange(bytes, DIGEST_BYTES, bytes.length);
    boolean whole = binary.length > 0
        && MessageDigest.isEqual(digest(binary), Arrays.copyOf(bytes, DIGEST_BYTES));
    long program = whole ? Cl.program(context, device.device(), binary) : 0;
    if (program == 0) {
      LOG.log(
          System.Logger.Level.INFO, "{0} is damaged or of another driver; building it again", file);
    }
    return program;
  }

  /** Writes a file that is there as a whole or not at all. */
  private void keep(Path file, byte[] binary) {
    if (binary.length == 0) {
      return;
    }
    try {
      Files.createDirectories(folder);
      Path fresh = Files.createTempFile(folder, "building", ".tmp");
      try {
        byte[] bytes = Arrays.copyOf(digest(binary), DIGEST_BYTES + binary.length);
        System.arraycopy(binary, 0, bytes, DIGEST_BYTES, binary.length);
        Files.write(fresh, bytes);
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(fresh);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0} cannot be kept: {1}", file, e.getMessage());
    }
  }

  private static byte[] digest(String text) {
    return digest(text.getBytes(StandardCharsets.UTF_8));
  }

  private static byte[] digest(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    built.values().forEach(Cl::releaseProgram);
    built.clear();
  }
}
