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
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

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
  private final Map<String, Long> built = new HashMap<>();

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

  /** The program of these files of kernels/opencl with these macros. */
  long of(List<String> files, List<String> defines) {
    String name = String.join("+", files) + " " + String.join(" ", defines);
    Long there = built.get(name);
    if (there == null) {
      there = build(name, files, defines);
      built.put(name, there);
    }
    return there;
  }

  private long build(String name, List<String> files, List<String> defines) {
    StringBuilder source = new StringBuilder(read("common.clh"));
    for (String file : files) {
      source.append("#line 1 \"").append(file).append("\"\n").append(read(file));
    }
    StringBuilder options = new StringBuilder("-cl-std=CL1.2");
    if (device.exactDivision()) {
      options.append(" -cl-fp32-correctly-rounded-divide-sqrt");
    }
    defines.forEach(d -> options.append(" -D").append(d));
    String key = String.join("\n", device.name(), device.driver(), options, source);
    Path file = folder.resolve(HexFormat.of().formatHex(digest(key), 0, 12) + ".clbin");
    long program = load(file);
    if (program == 0) {
      long start = System.nanoTime();
      program = Cl.program(context, device.device(), name, source.toString(), options.toString());
      LOG.log(
          System.Logger.Level.DEBUG,
          "built {0} in {1} ms",
          name,
          (System.nanoTime() - start) / 1_000_000);
      keep(file, Cl.binary(program));
    }
    return program;
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
