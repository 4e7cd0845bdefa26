package dev.fovea.model.image;

/** Lays the first frame of an animation on its canvas. */
final class Frames {

  private Frames() {}

  static Picture onCanvas(Picture frame, int width, int height, int left, int top, int background) {
    if (frame.width() == width && frame.height() == height) {
      return frame;
    }
    byte[] canvas = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    if (background != 0) {
      for (int at = 0; at < canvas.length; at += 3) {
        canvas[at] = (byte) (background >> 16);
        canvas[at + 1] = (byte) (background >> 8);
        canvas[at + 2] = (byte) background;
      }
    }
    for (int y = 0; y < frame.height(); y++) {
      System.arraycopy(
          frame.rgb(),
          3 * y * frame.width(),
          canvas,
          3 * ((top + y) * width + left),
          3 * frame.width());
    }
    return new Picture(width, height, canvas);
  }
}
