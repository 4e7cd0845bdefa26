package dev.fovea.cli.bench;

import dev.fovea.error.FileException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Measurements of all commits, a line of JSON each, to which lines are only ever added. */
public record History(Path file) {

  /** Adds lines behind what there is; not a byte of that changes, but for a line break if it does not end in one. */
  public void append(List<String> lines) {
    StringBuilder text = new StringBuilder();
    for (String line : lines) {
      if (line.indexOf('\n') >= 0) {
        throw new IllegalArgumentException("a line with a line break: " + line);
      }
      text.append(line).append('\n');
    }
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      long end = out.length();
      if (end > 0) {
        out.seek(end - 1);
        if (out.read() != '\n') {
          text.insert(0, '\n');
        }
      }
      out.seek(end);
      out.write(text.toString().getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new FileException(file, "cannot be written: " + e.getMessage());
    }
  }

  /** All lines; none if there is no file yet. */
  public List<String> lines() {
    if (!Files.exists(file)) {
      return List.of();
    }
    try {
      return Files.readAllLines(file).stream().filter(l -> !l.isBlank()).toList();
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage());
    }
  }
}
