package dev.fovea.model.image;

import dev.fovea.error.InputException;
import java.awt.image.BufferedImage;
import java.util.Arrays;

/** A picture in memory: 8-bit red, green and blue, interleaved, rows from the top. Not to be changed once made. */
public final class Picture {

  private final int width;
  private final int height;
  private final byte[] rgb;

  /**
   * @param rgb the bytes, row by row, three a pixel; kept, not copied
   * @throws InputException if the sides are not positive or do not fit the bytes
   */
  public Picture(int width, int height, byte[] rgb) {
    if (width <= 0 || height <= 0) {
      throw InputException.mismatch("picture size", "positive sides", width + "x" + height);
    }
    if (rgb.length != 3L * width * height) {
      throw InputException.mismatch(
          "picture bytes", 3L * width * height + " for " + width + "x" + height, rgb.length);
    }
    this.width = width;
    this.height = height;
    this.rgb = rgb;
  }

  /** Columns. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** The bytes themselves [Y,X,C=3], not a copy. */
  public byte[] rgb() {
    return rgb;
  }

  /** The pixel at a column and row as {@code 0xRRGGBB}. */
  public int pixel(int x, int y) {
    if (x < 0 || x >= width || y < 0 || y >= height) {
      throw InputException.mismatch(
          "pixel", "inside " + width + "x" + height, "(" + x + "," + y + ")");
    }
    int at = 3 * (y * width + x);
    return ((rgb[at] & 0xFF) << 16) | ((rgb[at + 1] & 0xFF) << 8) | (rgb[at + 2] & 0xFF);
  }

  /** Columns for rows. */
  Picture transposed() {
    return upright(5);
  }

  /** A copy that Java2D can draw on. */
  BufferedImage toBufferedImage() {
    var image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      for (int x = 0, at = 3 * y * width; x < width; x++, at += 3) {
        row[x] = ((rgb[at] & 0xFF) << 16) | ((rgb[at + 1] & 0xFF) << 8) | (rgb[at + 2] & 0xFF);
      }
      image.getRaster().setDataElements(0, y, width, 1, row);
    }
    return image;
  }

  /**
   * Turned upright as the EXIF orientation tag asks.
   *
   * @param orientation 1 to 8 as in EXIF 2.32, section 4.6.4; anything else counts as 1, upright
   */
  Picture upright(int orientation) {
    if (orientation < 2 || orientation > 8) {
      return this;
    }
    boolean turned = orientation >= 5;
    int w = turned ? height : width;
    int h = turned ? width : height;
    byte[] out = new byte[rgb.length];
    for (int y = 0; y < h; y++) {
      for (int x = 0; x < w; x++) {
        int sx = switch (orientation) {
          case 2, 3 -> width - 1 - x;
          case 4 -> x;
          case 5, 6 -> y;
          default -> width - 1 - y;
        };
        int sy = switch (orientation) {
          case 2 -> y;
          case 3, 4 -> height - 1 - y;
          case 5, 8 -> x;
          default -> height - 1 - x;
        };
        int from = 3 * (sy * width + sx);
        int to = 3 * (y * w + x);
        out[to] = rgb[from];
        out[to + 1] = rgb[from + 1];
        out[to + 2] = rgb[from + 2];
      }
    }
    return new Picture(w, h, out);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Picture p
        && width == p.width
        && height == p.height
        && Arrays.equals(rgb, p.rgb);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * width + height) + Arrays.hashCode(rgb);
  }

  @Override
  public String toString() {
    return "Picture[" + width + "x" + height + "]";
  }
}
