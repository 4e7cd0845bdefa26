package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Another commit of this checkout, built in a folder of its own, and what its bench says. */
public final class Base {
  private Base() {}

  /** A commit's full name; refuses what is none. */
  public static String commit(Path root, String name) {
    String id = Machine.git(root, "rev-parse", "--verify", "--quiet", name + "^{commit}");
    if (id.isEmpty()) {
      throw new InputException("--guard: expected a commit of " + root + ", found '" + name + "'");
    }
    return id;
  }

  /**
   * Checks a commit out below {@code target/guard} and builds it, if that was not done before.
   *
   * @param id its full name
   * @return the folder
   */
  public static Path build(Path root, String id) {
    Path folder = root.resolve("target").resolve("guard").resolve(id.substring(0, 12));
    if (!Files.exists(folder.resolve("fovea"))) {
      Machine.git(root, "worktree", "prune");
      try {
        Files.createDirectories(folder.getParent());
      } catch (IOException e) {
        throw new InputException(folder + " cannot be made: " + e.getMessage());
      }
      String _ = new Command(
              root, List.of("git", "worktree", "add", "--force", "--detach", folder.toString(), id))
          .output();
    }
    // Device code and the emulated device take minutes to compile, and their time is not measured
    // here.
    String _ = new Command(
            folder,
            List.of(
                "cmake",
                "-S",
                folder.toString(),
                "-B",
                folder.resolve("java/backend-cuda/target/native-build").toString(),
                "-DCMAKE_BUILD_TYPE=Release",
                "-DFOVEA_TESTS=OFF",
                "-DFOVEA_CPU=OFF",
                "-DFOVEA_NVCC=",
                "-DFOVEA_CUDA_EMULATED=OFF",
                "--log-level=WARNING"))
        .output();
    String _ = new Command(folder, List.of(folder.resolve("fovea").toString(), "build")).output();
    return folder;
  }

  /**
   * A checkout's bench as one side of a contest, a process for each round.
   *
   * @param arguments of its bench, which must give JSON lines
   */
  public static Contest.Side side(Path folder, List<String> arguments) {
    List<String> words = new ArrayList<>(List.of(folder.resolve("fovea").toString(), "bench"));
    words.addAll(arguments);
    return () -> fastest(new Command(folder, words).output());
  }

  /**
   * Test → nanoseconds of its fastest run, of llama-bench's JSON lines. Whatever else the machine does only adds to a run, so the fastest
   * is the one that tells most about the code; chance between processes is left to the rounds.
   */
  static Map<String, Double> fastest(String lines) {
    Map<String, Double> fastest = new LinkedHashMap<>();
    for (String line : lines.lines().filter(l -> l.startsWith("{")).toList()) {
      JsonNode row = JsonMapper.shared().readTree(line);
      row.path("samples_ns")
          .forEach(s -> fastest.merge(row.path("test").asString(), s.asDouble(), Math::min));
    }
    return fastest;
  }
}
