package dev.fovea.error;

import java.nio.file.Path;

/** A file that is missing, truncated, lying, or not of the kind it should be. */
public final class FileException extends FoveaException {

  public FileException(String message) {
    super(message);
  }

  public FileException(Path file, String message) {
    super(file + ": " + message);
  }

  public FileException(Path file, String message, Throwable cause) {
    super(file + ": " + message, cause);
  }

  /**
   * A mismatch at a known place.
   *
   * @param where what inside the file, e.g. {@code tensor model.norm.weight at byte 4096} or {@code config field hidden_size}
   */
  public static FileException mismatch(Path file, String where, Object expected, Object found) {
    return new FileException(file, where + ": expected " + expected + ", found " + found);
  }
}
