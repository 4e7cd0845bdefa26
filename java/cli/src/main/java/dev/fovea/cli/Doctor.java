package dev.fovea.cli;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.FoveaException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea doctor}. */
@Command(
    description = {
      "Shows what this machine has and what is missing. Exits with 1 if something that is needed is missing.",
      ""
    })
final class Doctor implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description = "The model to look for; the demo model if absent.")
  @Nullable
  Path model;

  private final Shell shell;
  private boolean missing;

  Doctor(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    line("fovea", Version.number());
    line("java", Runtime.version() + ", " + System.getProperty("java.home"));
    line(
        "machine",
        System.getProperty("os.name") + " " + System.getProperty("os.arch") + ", "
            + Runtime.getRuntime().availableProcessors() + " processors" + memory());
    boolean runs = false;
    for (Backend backend : Backend.all()) {
      String problem = backend.unavailable();
      if (problem == null) {
        problem = describe(backend);
        runs |= !backend.name().equals("reference") && !backend.name().equals("cuda-emulated");
      } else {
        problem = "unavailable: " + problem;
      }
      line("backend " + backend.name(), problem);
      backend.notes().forEach(note -> line("", note));
    }
    if (!runs) {
      missing = true;
      line("backends", "MISSING: only those run that check others, which are far too slow to use");
    }
    tool("cmake", "builds the native kernels; install the package cmake");
    tool(compiler(), "builds the native kernels; install g++ or clang");
    line("model", model());
    return missing ? Main.FAILED : 0;
  }

  private void line(String what, String found) {
    shell.out().printf(Locale.ROOT, "%-22s %s%n", what, found);
  }

  private static String describe(Backend backend) {
    try (Device device = backend.open(DeviceOptions.DEFAULT)) {
      return device.describe();
    } catch (FoveaException e) {
      return "fails: " + e.getMessage();
    }
  }

  private static String memory() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
      return lines
          .filter(l -> l.startsWith("MemTotal:"))
          .findFirst()
          .map(l -> String.format(
              Locale.ROOT,
              ", %.1f GiB memory",
              Long.parseLong(l.replaceAll("\\D", "")) / 1048576.0))
          .orElse("");
    } catch (IOException e) {
      return ""; // not Linux
    }
  }

  private String compiler() {
    String given = shell.variable("CXX");
    List<String> names = List.of("c++", "g++", "clang++");
    return given != null
        ? given
        : names.stream().filter(n -> find(n) != null).findFirst().orElse("c++");
  }

  private void tool(String name, String use) {
    Path found = find(name);
    missing |= found == null;
    line(name, found == null ? "MISSING: " + use : found.toString());
  }

  private @Nullable Path find(String name) {
    String path = shell.variable("PATH");
    for (String folder :
        path == null ? List.<String>of() : List.of(path.split(File.pathSeparator, -1))) {
      for (String ending : List.of("", ".exe")) {
        Path file = Path.of(folder).resolve(name + ending);
        if (Files.isExecutable(file) && !Files.isDirectory(file)) {
          return file;
        }
      }
    }
    return null;
  }

  private String model() {
    Path path = model == null ? shell.home().resolve("models").resolve("demo") : model;
    if (!Files.exists(path)) {
      missing = true;
      return "MISSING: " + path + "; give -m PATH or set FOVEA_MODEL";
    }
    return path.toString();
  }
}
