package dev.fovea.cli.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** What a figure depends on beside the model: written next to it. */
public final class Machine {
  private Machine() {}

  /**
   * Machine, system, virtual machine, vector width and driver.
   *
   * @param backend as the engine describes it: {@code cpu: avx512_bf16, 2 threads}
   */
  public static Map<String, Object> fields(String backend) {
    Map<String, Object> f = new LinkedHashMap<>();
    f.put("cpu_info", cpu());
    f.put("processors", Runtime.getRuntime().availableProcessors());
    f.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    f.put("jvm", System.getProperty("java.vm.name") + " " + Runtime.version());
    f.put("vector_bits", vectorBits(backend));
    boolean cuda = backend.startsWith("cuda:");
    boolean opencl = backend.startsWith("opencl:"); // says its driver itself
    f.put("gpu_info", cuda || opencl ? backend.replaceFirst("^[a-z]+:", "").strip() : "");
    f.put("driver", cuda ? driver() : "");
    return f;
  }

  /** Bits of the vectors that the backend's tier computes with. */
  static int vectorBits(String backend) {
    if (backend.contains("avx512")) {
      return 512;
    }
    if (backend.contains("neon")) {
      return 128;
    }
    return backend.contains("avx2") ? 256 : 32;
  }

  private static String driver() {
    return firstLine(Path.of("/proc/driver/nvidia/version"), "");
  }

  private static String cpu() {
    return firstLine(Path.of("/proc/cpuinfo"), "model name").replaceFirst("^[^:]*:\\s*", "");
  }

  /** The first line that begins so; the architecture's name where the system has no such file. */
  private static String firstLine(Path file, String beginning) {
    try (Stream<String> lines = Files.lines(file)) {
      return lines
          .filter(l -> l.startsWith(beginning))
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }

  /** The commit of a checkout, with {@code +} if it was changed since; the given version where there is none. */
  public static String commit(Path root, String version) {
    String commit = git(root, "rev-parse", "--short=12", "HEAD");
    if (commit.isEmpty()) {
      return version;
    }
    return git(root, "status", "--porcelain", "--untracked-files=no").isEmpty()
        ? commit
        : commit + "+";
  }

  /** What a git command prints; empty if it fails or there is no git. */
  static String git(Path root, String... arguments) {
    try {
      Process p = new ProcessBuilder(
              Stream.concat(List.of("git", "-C", root.toString()).stream(), Stream.of(arguments))
                  .toList())
          .redirectError(ProcessBuilder.Redirect.DISCARD)
          .start();
      String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      return p.waitFor(1, TimeUnit.MINUTES) && p.exitValue() == 0 ? out : "";
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }

  /** The most memory a process ever had resident, in bytes; 0 where the system does not say. */
  public static long peakBytes(String process) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/" + process + "/status"))) {
      return lines
          .filter(l -> l.toLowerCase(Locale.ROOT).startsWith("vmhwm:"))
          .mapToLong(l -> 1024 * Long.parseLong(l.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }
}
