package dev.fovea.error;

/** A prompt, or a prompt with its answer, that does not fit the context. */
public final class ContextLengthException extends FoveaException {
  private final int asked;
  private final int limit;

  public ContextLengthException(String what, int asked, int limit) {
    super(what + " needs " + asked + " positions, the context holds " + limit);
    this.asked = asked;
    this.limit = limit;
  }

  /** Positions asked for. */
  public int asked() {
    return asked;
  }

  /** Positions there are. */
  public int limit() {
    return limit;
  }
}
