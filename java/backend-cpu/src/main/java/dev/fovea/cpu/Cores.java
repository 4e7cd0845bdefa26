package dev.fovea.cpu;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/** How many threads are worth starting. */
final class Cores {
  private Cores() {}

  /** Physical cores, but no more than the process may use (affinity and container limits, as the JVM sees them). */
  static int usable() {
    int allowed = Runtime.getRuntime().availableProcessors();
    int physical = physical();
    return Math.min(256, Math.max(1, physical == 0 ? allowed : Math.min(physical, allowed)));
  }

  /** Distinct sets of hyper-thread siblings, as Linux lists them; 0 if it does not. */
  private static int physical() {
    Path cpus = Path.of("/sys/devices/system/cpu");
    Set<String> siblings = new HashSet<>();
    if (Files.isDirectory(cpus)) {
      try (DirectoryStream<Path> dirs = Files.newDirectoryStream(cpus, "cpu[0-9]*")) {
        for (Path cpu : dirs) {
          Path list = cpu.resolve("topology/thread_siblings_list");
          if (Files.isReadable(list)) {
            siblings.add(Files.readString(list).strip());
          }
        }
      } catch (IOException e) {
        return 0; // a guess is good enough: the caller falls back to the JVM's count
      }
    }
    return siblings.size();
  }
}
