package dev.fovea.error;

/**
 * The root of everything Fovea throws on purpose. The message is one line, fit for a user, and carries the values: what was
 * expected and what was found.
 */
public abstract sealed class FoveaException extends RuntimeException
    permits FileException,
        InputException,
        BackendException,
        ContextLengthException,
        CancelledException,
        QueueFullException {

  FoveaException(String message) {
    super(message);
  }

  FoveaException(String message, Throwable cause) {
    super(message, cause);
  }
}
