package dev.fovea.error;

/** The caller cancelled the work; nothing is wrong. */
public final class CancelledException extends FoveaException {

  public CancelledException(String what) {
    super(what + " was cancelled");
  }
}
