package dev.fovea.model.image;

import dev.fovea.error.InputException;
import java.util.Arrays;

/**
 * Pillow's bicubic resampling with antialiasing, bit for bit: Keys' kernel with a = -0.5 (IEEE TASSP 29, 1981), widened by the scale
 * when shrinking, coefficients normalised and then rounded to 22 bits of fraction, a horizontal and then a vertical pass, each
 * rounded to 8 bits. CLIP was trained behind these very roundings.
 *
 * <p>Only the wanted part of the result is computed, and padding is never stored, so that a picture of 1 × 30000 costs what its
 * pixels cost and not what its square would.
 */
final class Resize {

  private static final int FRACTION_BITS = 22;
  private static final double A = -0.5;

  private Resize() {}

  /** The part of a resized picture that is wanted, in its own pixels. */
  record Window(int left, int top, int width, int height) {}

  /** A picture lying on a larger sheet of one colour; offsets may be 0 and the sheet as large as the picture. */
  record Sheet(Picture picture, int width, int height, int left, int top, int color) {

    static Sheet of(Picture picture) {
      return new Sheet(picture, picture.width(), picture.height(), 0, 0, 0);
    }

    Sheet {
      if (left < 0
          || top < 0
          || left + (long) picture.width() > width
          || top + (long) picture.height() > height) {
        throw InputException.mismatch(
            "sheet",
            "room for " + picture.width() + "x" + picture.height() + " at " + left + "," + top,
            width + "x" + height);
      }
    }
  }

  /** The whole picture at another size. */
  static Picture bicubic(Picture picture, int width, int height) {
    return bicubic(Sheet.of(picture), width, height, new Window(0, 0, width, height));
  }

  /**
   * A window of the sheet resized to {@code width} × {@code height}.
   *
   * @throws InputException if a side is not positive or the window sticks out
   */
  static Picture bicubic(Sheet sheet, int width, int height, Window window) {
    if (width <= 0 || height <= 0) {
      throw InputException.mismatch("size to resize to", "positive sides", width + "x" + height);
    }
    if (window.left < 0
        || window.top < 0
        || window.width <= 0
        || window.height <= 0
        || window.left + (long) window.width > width
        || window.top + (long) window.height > height) {
      throw InputException.mismatch("window", "inside " + width + "x" + height, window);
    }
    // Pillow turns the passes round for pictures more than a hundred times as high as wide.
    if (sheet.height > 100L * sheet.width && height < sheet.height) {
      var strip = new Window(0, window.top, sheet.width, window.height);
      Picture shrunk = passes(sheet, sheet.width, height, strip);
      var rest = new Window(window.left, 0, window.width, window.height);
      return passes(Sheet.of(shrunk), width, window.height, rest);
    }
    return passes(sheet, width, height, window);
  }

  /** Across, then down; a pass to the same size changes nothing. */
  private static Picture passes(Sheet sheet, int width, int height, Window window) {
    Taps across = Taps.of(sheet.width, width, window.left, window.width);
    Taps down = Taps.of(sheet.height, height, window.top, window.height);

    // Horizontal pass over the rows of the picture that the vertical pass will read, and one row of
    // padding for all others.
    Picture picture = sheet.picture;
    int firstRow = Math.max(0, down.lowest() - sheet.top);
    int lastRow = Math.min(picture.height(), down.highest() - sheet.top);
    int rowBytes = 3 * window.width;
    byte[] middle = new byte[Math.multiplyExact(rowBytes, Math.max(0, lastRow - firstRow) + 1)];
    int padRow = Math.max(0, lastRow - firstRow) * rowBytes;
    byte[] line = new byte[Math.multiplyExact(3, sheet.width)];
    fill(line, sheet.color);
    horizontal(line, across, 0, window.width, middle, padRow);
    int from = across.firstReaching(sheet.left);
    int to = across.firstBeyond(sheet.left + picture.width());
    for (int y = firstRow; y < lastRow; y++) {
      System.arraycopy(
          picture.rgb(), 3 * y * picture.width(), line, 3 * sheet.left, 3 * picture.width());
      // Columns that see padding only are the same in every row.
      int at = (y - firstRow) * rowBytes;
      System.arraycopy(middle, padRow, middle, at, rowBytes);
      horizontal(line, across, from, to, middle, at);
    }

    // Vertical pass, a row of sums at a time so that memory is read in order.
    byte[] out = new byte[Math.multiplyExact(rowBytes, window.height)];
    int[] sums = new int[rowBytes];
    for (int y = 0; y < window.height; y++) {
      Arrays.fill(sums, 1 << (FRACTION_BITS - 1));
      for (int k = 0; k < down.count[y]; k++) {
        int weight = down.weights[y * down.stride + k];
        int row = down.first[y] + k - sheet.top;
        int at = row >= firstRow && row < lastRow ? (row - firstRow) * rowBytes : padRow;
        for (int i = 0; i < rowBytes; i++) {
          sums[i] += weight * (middle[at + i] & 0xFF);
        }
      }
      for (int i = 0; i < rowBytes; i++) {
        out[y * rowBytes + i] = clip(sums[i]);
      }
    }
    return new Picture(window.width, window.height, out);
  }

  private static void fill(byte[] line, int color) {
    for (int i = 0; i < line.length; i += 3) {
      line[i] = (byte) (color >> 16);
      line[i + 1] = (byte) (color >> 8);
      line[i + 2] = (byte) color;
    }
  }

  /** Columns {@code begin} to {@code end} of one row, into the row that starts at {@code row}. */
  private static void horizontal(byte[] line, Taps taps, int begin, int end, byte[] out, int row) {
    for (int x = begin, at = row + 3 * begin; x < end; x++, at += 3) {
      int red = 1 << (FRACTION_BITS - 1);
      int green = red;
      int blue = red;
      int from = 3 * taps.first[x];
      int k = x * taps.stride;
      for (int last = k + taps.count[x]; k < last; k++, from += 3) {
        int weight = taps.weights[k];
        red += weight * (line[from] & 0xFF);
        green += weight * (line[from + 1] & 0xFF);
        blue += weight * (line[from + 2] & 0xFF);
      }
      out[at] = clip(red);
      out[at + 1] = clip(green);
      out[at + 2] = clip(blue);
    }
  }

  private static byte clip(int sum) {
    return (byte) Math.max(0, Math.min(255, sum >> FRACTION_BITS));
  }

  /** Which inputs each output reads, and with which weights, along one axis. */
  private static final class Taps {

    final int[] first;
    final int[] count;
    final int[] weights;
    final int stride;

    private Taps(int[] first, int[] count, int[] weights, int stride) {
      this.first = first;
      this.count = count;
      this.weights = weights;
      this.stride = stride;
    }

    static Taps of(int in, int out, int from, int wanted) {
      double scale = (double) in / out;
      double widened = Math.max(1.0, scale);
      double support = 2.0 * widened;
      int stride = (int) Math.ceil(support) * 2 + 1;
      int[] first = new int[wanted];
      int[] count = new int[wanted];
      int[] weights = new int[Math.multiplyExact(wanted, stride)];
      double[] w = new double[stride];
      for (int i = 0; i < wanted; i++) {
        double center = (from + i + 0.5) * scale;
        int low = Math.max(0, (int) (center - support + 0.5));
        int high = Math.min(in, (int) (center + support + 0.5));
        double sum = 0;
        for (int k = 0; k < high - low; k++) {
          w[k] = kernel((k + low - center + 0.5) * (1.0 / widened));
          sum += w[k];
        }
        for (int k = 0; k < high - low; k++) {
          double share = (sum != 0 ? w[k] / sum : w[k]) * (1 << FRACTION_BITS);
          weights[i * stride + k] = (int) (share < 0 ? share - 0.5 : share + 0.5);
        }
        first[i] = low;
        count[i] = high - low;
      }
      return new Taps(first, count, weights, stride);
    }

    int lowest() {
      return first[0];
    }

    int highest() {
      int last = first.length - 1;
      return first[last] + count[last];
    }

    /** The first output that reads input {@code in} or one after it. */
    int firstReaching(int in) {
      int i = 0;
      while (i < first.length && first[i] + count[i] <= in) {
        i++;
      }
      return i;
    }

    /** The first output that reads nothing before input {@code in}. */
    int firstBeyond(int in) {
      int i = first.length;
      while (i > 0 && first[i - 1] >= in) {
        i--;
      }
      return i;
    }

    private static double kernel(double x) {
      double t = Math.abs(x);
      if (t < 1) {
        return ((A + 2) * t - (A + 3)) * t * t + 1;
      }
      return t < 2 ? (((t - 5) * t + 8) * t - 4) * A : 0;
    }
  }
}
