package dev.fovea.error;

/** A backend that was asked for and cannot run, or that failed while running: names the op, the variant and the dims. */
public final class BackendException extends FoveaException {

  public BackendException(String message) {
    super(message);
  }

  public BackendException(String message, Throwable cause) {
    super(message, cause);
  }
}
