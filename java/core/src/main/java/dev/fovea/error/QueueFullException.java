package dev.fovea.error;

/** So many questions wait already that no more are taken; later there may be room. */
public final class QueueFullException extends FoveaException {
  private static final long serialVersionUID = 1;

  public QueueFullException(int waiting) {
    super(waiting + " questions wait already");
  }
}
