package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** PyTorch or ONNX Runtime on the same vision tower and projector, kept open by {@code bench/peers/vision.py}: a line in, a picture, a line out. */
public final class PythonPeer implements Contest.Side, AutoCloseable {
  private final Process process;
  private final BufferedReader out;
  private final String name;
  private final String about;

  /**
   * Starts it and waits until it is ready.
   *
   * @param root the checkout that holds the script
   * @param name pytorch or onnxruntime
   * @param mmproj the file of tower and projector
   */
  public PythonPeer(
      Map<String, String> environment, Path root, String name, Path mmproj, int threads) {
    this.name = name;
    String given = environment.getOrDefault("FOVEA_PYTHON", "");
    Path python = given.isEmpty() ? Command.find(environment, "python3") : Path.of(given);
    if (python == null || !Files.isExecutable(python)) {
      throw new InputException("--vs " + name
          + ": there is no Python: expected python3 on the PATH, or its path in FOVEA_PYTHON");
    }
    Path script = root.resolve("bench/peers/vision.py");
    try {
      process = new ProcessBuilder(
              python.toString(),
              script.toString(),
              name,
              mmproj.toString(),
              "--threads",
              String.valueOf(threads))
          .redirectError(ProcessBuilder.Redirect.to(new File("/dev/null")))
          .start();
      out = new BufferedReader(
          new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new InputException(python + " cannot be run: " + e.getMessage());
    }
    String first = line();
    if (!first.startsWith("ready ")) {
      close();
      throw new InputException("--vs " + name + ": " + first);
    }
    about = first.substring("ready ".length());
  }

  /** Version and element type. */
  public String about() {
    return about;
  }

  private String line() {
    try {
      String line = out.readLine();
      return line == null ? "bench/peers/vision.py ended without a word" : line;
    } catch (IOException e) {
      throw new InputException(name + ": " + e.getMessage());
    }
  }

  @Override
  public Map<String, Double> measure() {
    try {
      OutputStream in = process.getOutputStream();
      in.write('\n');
      in.flush();
      String line = line();
      return Map.of("img", Double.parseDouble(line));
    } catch (IOException | NumberFormatException e) {
      throw new InputException(name + ": expected a time, found: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    process.destroy();
  }
}
