package dev.fovea.error;

/** An argument, flag, prompt, region or image that cannot be used as given. */
public final class InputException extends FoveaException {

  public InputException(String message) {
    super(message);
  }

  public InputException(String message, Throwable cause) {
    super(message, cause);
  }

  public static InputException mismatch(String field, Object expected, Object found) {
    return new InputException(field + ": expected " + expected + ", found " + found);
  }
}
