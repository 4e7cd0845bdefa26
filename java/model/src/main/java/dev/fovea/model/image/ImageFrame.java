package dev.fovea.model.image;

/**
 * Where a picture lies on the square that the model sees: {@code seen = original × scale + offset}, in pixel edges, so that 0 is the
 * left edge of the first column and W the right edge of the last.
 *
 * @param width columns of the original
 * @param height rows of the original
 * @param mode how it was made square
 * @param size side S of the square
 * @param scaleX squares' pixels per original pixel across
 * @param scaleY the same, down
 * @param offsetX where the original's left edge lies on the square; negative where it was cut off
 * @param offsetY the same for its top edge
 */
public record ImageFrame(
    int width,
    int height,
    ImageMode mode,
    int size,
    double scaleX,
    double scaleY,
    double offsetX,
    double offsetY) {

  /** A column of the original, as a column of the square. */
  public double toSeenX(double x) {
    return x * scaleX + offsetX;
  }

  /** A row of the original, as a row of the square. */
  public double toSeenY(double y) {
    return y * scaleY + offsetY;
  }

  /** A column of the square, as a column of the original; outside 0 to W on padding. */
  public double toOriginalX(double x) {
    return (x - offsetX) / scaleX;
  }

  /** A row of the square, as a row of the original. */
  public double toOriginalY(double y) {
    return (y - offsetY) / scaleY;
  }
}
