package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Another program that is run and waited for.
 *
 * @param folder where it runs
 * @param words the program and its arguments
 */
public record Command(Path folder, List<String> words) {

  /**
   * Its standard output.
   *
   * @throws InputException with the end of its standard error if it fails
   */
  public String output() {
    Path errors = null;
    Process process = null;
    try {
      errors = Files.createTempFile("fovea-bench", ".err");
      process = new ProcessBuilder(words)
          .directory(folder.toFile())
          .redirectError(errors.toFile())
          .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
          .start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int code = process.waitFor();
      if (code != 0) {
        String said = Files.readString(errors).strip();
        throw new InputException(words.getFirst() + " ended with " + code + ": "
            + (said.length() > 600 ? "… " + said.substring(said.length() - 600) : said));
      }
      return out;
    } catch (IOException e) {
      throw new InputException(words.getFirst() + " cannot be run: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException(words.getFirst() + " was interrupted");
    } finally {
      if (process != null) {
        process.destroy();
      }
      remove(errors);
    }
  }

  private static void remove(@Nullable Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // a temporary file more
    }
  }

  /** A program on the PATH; null if there is none. */
  public static @Nullable Path find(Map<String, String> environment, String name) {
    List<String> folders = new ArrayList<>(
        List.of(environment.getOrDefault("PATH", "").split(File.pathSeparator, -1)));
    folders.removeIf(String::isEmpty);
    for (String folder : folders) {
      Path file = Path.of(folder).resolve(name);
      if (Files.isExecutable(file) && !Files.isDirectory(file)) {
        return file.toAbsolutePath();
      }
    }
    return null;
  }
}
