package dev.fovea.model.image;

import dev.fovea.error.InputException;
import dev.fovea.op.Resize;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Pillow's bicubic resampling with antialiasing, bit for bit, as the numbers that {@link Resize} wants: Keys' kernel with a = -0.5 (IEEE
 * TASSP 29, 1981), widened by the scale when shrinking, weights normalised and then rounded to 22 bits of fraction, a horizontal and then a
 * vertical pass, each rounded to 8 bits. CLIP was trained behind these very roundings.
 *
 * <p>Only the wanted part of the result is asked for, and padding is never stored, so that a picture of 1 × 30000 costs what its pixels
 * cost and not what its square would.
 *
 * @param picture u8, the picture; its columns for rows where it is turned
 * @param geometry i32 [6]
 * @param across i32 [X,4]
 * @param down i32 [Y,4]
 * @param weights i32
 * @param levels f32 [C=3,256], what the tower reads for each value of a channel
 */
public record Resampling(
    MemorySegment picture,
    MemorySegment geometry,
    MemorySegment across,
    MemorySegment down,
    MemorySegment weights,
    MemorySegment levels) {

  private static final double A = -0.5;

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

  /**
   * A window of the sheet resized to {@code width} × {@code height}.
   *
   * @param levels three times 256 numbers
   * @throws InputException if a side is not positive or the window sticks out
   */
  static Resampling of(Sheet sheet, int width, int height, Window window, float[] levels) {
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
    Picture picture = sheet.picture;
    Weights weights = new Weights();
    int[] columns =
        weights.axis(sheet.width, width, window.left, window.width, sheet.left, picture.width());
    int[] rows =
        weights.axis(sheet.height, height, window.top, window.height, sheet.top, picture.height());
    // Pillow turns the passes round for pictures more than a hundred times as high as wide.
    boolean turned = sheet.height > 100L * sheet.width && height < sheet.height;
    Picture lying = turned ? picture.transposed() : picture;
    int[] geometry = {
      lying.width(),
      lying.height(),
      turned ? 1 : 0,
      sheet.color >> 16 & 0xFF,
      sheet.color >> 8 & 0xFF,
      sheet.color & 0xFF
    };
    return new Resampling(
        MemorySegment.ofArray(lying.rgb()),
        MemorySegment.ofArray(geometry),
        MemorySegment.ofArray(turned ? rows : columns),
        MemorySegment.ofArray(turned ? columns : rows),
        MemorySegment.ofArray(weights.all()),
        MemorySegment.ofArray(levels));
  }

  /**
   * Inputs as the components of a resampling, but the picture, which is the state {@code photo}: large, and best copied in pieces. State
   * {@code pixels} [C=3,Y,X] is written.
   *
   * @param height rows wanted, or columns of a turned picture
   * @param bytes of the largest picture
   * @param weights the most there are
   */
  public static Program program(int width, int height, int bytes, int weights) {
    Trace trace = new Trace("resize");
    Value pixels =
        trace.state("pixels", TensorType.f32(Shape.of(Axis.C, 3, Axis.Y, height, Axis.X, width)));
    trace.apply(
        new Resize(),
        pixels,
        trace.state("photo", new TensorType(DType.U8, Shape.of(Axis.I, bytes))),
        trace.input("geometry", TensorType.i32(Shape.of(Axis.I, Resize.GEOMETRY))),
        trace.input("across", TensorType.i32(Shape.of(Axis.X, width, Axis.I, Resize.SPAN))),
        trace.input("down", TensorType.i32(Shape.of(Axis.Y, height, Axis.I, Resize.SPAN))),
        trace.input("weights", TensorType.i32(Shape.of(Axis.I, weights))),
        trace.input("levels", TensorType.f32(Shape.of(Axis.C, 3, Axis.I, 256))));
    return trace.program();
  }

  /** Weights of both axes, one span's behind the other's. */
  private static final class Weights {

    private int[] list = new int[4096];
    private int size;

    int[] all() {
      return Arrays.copyOf(list, size);
    }

    private void add(int weight) {
      if (size == list.length) {
        list = Arrays.copyOf(list, Math.multiplyExact(size, 2));
      }
      list[size++] = weight;
    }

    /**
     * The spans of the outputs {@code from} to {@code from + wanted} of {@code out}.
     *
     * @param in size of the sheet
     * @param left where the picture begins on it
     * @param picture its size
     */
    int[] axis(int in, int out, int from, int wanted, int left, int picture) {
      double scale = (double) in / out;
      double widened = Math.max(1.0, scale);
      double support = 2.0 * widened;
      double[] w = new double[(int) Math.ceil(support) * 2 + 1];
      int[] spans = new int[Math.multiplyExact(Resize.SPAN, wanted)];
      for (int i = 0; i < wanted; i++) {
        double center = (from + i + 0.5) * scale;
        int low = Math.max(0, (int) (center - support + 0.5));
        int high = Math.min(in, (int) (center + support + 0.5));
        double sum = 0;
        for (int k = 0; k < high - low; k++) {
          w[k] = kernel((k + low - center + 0.5) * (1.0 / widened));
          sum += w[k];
        }
        int begin = size;
        int padding = 0;
        for (int k = 0; k < high - low; k++) {
          double share = (sum != 0 ? w[k] / sum : w[k]) * (1 << Resize.FRACTION_BITS);
          int weight = (int) (share < 0 ? share - 0.5 : share + 0.5);
          if (k + low < left || k + low >= left + picture) {
            padding += weight;
          } else {
            add(weight);
          }
        }
        spans[Resize.SPAN * i] = size > begin ? Math.max(low, left) - left : 0;
        spans[Resize.SPAN * i + 1] = size - begin;
        spans[Resize.SPAN * i + 2] = begin;
        spans[Resize.SPAN * i + 3] = padding;
      }
      return spans;
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
