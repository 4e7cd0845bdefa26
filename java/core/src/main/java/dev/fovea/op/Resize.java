package dev.fovea.op;

import static dev.fovea.tensor.Axis.C;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.X;
import static dev.fovea.tensor.Axis.Y;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Resamples a picture as Pillow does, on whole numbers throughout: a weighted sum along each row, rounded to 8 bits, then one along each
 * column, rounded to 8 bits, and that looked up in a table for the channel. What the weights are is the caller's. The output is the memory
 * of {@code pixels}, all of it written.
 *
 * <p>The picture is [height,width,C] bytes at the start of its tensor. A span says which columns (rows) an output reads: the first, how
 * many, and where their weights begin; its fourth number is the sum of the weights that lie on padding, which is not stored. A
 * <em>turned</em> picture has columns for rows and gives [C,X,Y].
 */
public record Resize() implements Op {

  /** Numbers of {@code geometry}: width, height, turned or not, red, green and blue of the padding. */
  public static final int GEOMETRY = 6;

  /** Numbers of a span: first, count, where its weights are, sum of its weights on padding. */
  public static final int SPAN = 4;

  /** A weight is in units of 2⁻²². */
  public static final int FRACTION_BITS = 22;

  private static final int CHANNELS = 3;
  private static final int LEVELS = 256;

  @Override
  public String name() {
    return "resize";
  }

  @Override
  public List<String> inputs() {
    // pixels [C=3,Y,X], picture [I], geometry [6], across [X,4], down [Y,4], weights [I], levels
    // [C=3,256] → pixels
    return List.of("pixels", "picture", "geometry", "across", "down", "weights", "levels");
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 3).rank(1, 1).rank(2, 1).rank(3, 2).rank(4, 2).rank(5, 1).rank(6, 2);
    in.dtype(0, DType.F32)
        .dtype(1, DType.U8)
        .dtype(2, DType.I32)
        .dtype(3, DType.I32)
        .dtype(4, DType.I32)
        .dtype(5, DType.I32)
        .dtype(6, DType.F32);
    in.require(
        in.size(0, 0) == CHANNELS && in.size(6, 0) == CHANNELS && in.size(6, 1) == LEVELS,
        "pixels must have " + CHANNELS + " channels, and levels " + LEVELS + " for each");
    in.require(in.size(2, 0) == GEOMETRY, "geometry must have " + GEOMETRY + " numbers");
    in.require(
        in.size(3, 0) == in.size(0, 2)
            && in.size(4, 0) == in.size(0, 1)
            && in.size(3, 1) == SPAN
            && in.size(4, 1) == SPAN,
        "across and down must have " + SPAN + " numbers for each column and row of pixels");
    return in.type(0);
  }

  @Override
  public int aliasOf() {
    return 0;
  }

  @Override
  public void reference(Call c) {
    double[] picture = c.in(1);
    int[] geometry = whole(c.in(2));
    int width = geometry[0];
    int height = geometry[1];
    boolean turned = geometry[2] != 0;
    int[] across = whole(c.in(3));
    int[] down = whole(c.in(4));
    int[] weights = whole(c.in(5));
    int outHeight = c.shape(0).size(1);
    int outWidth = c.shape(0).size(2);
    int from = height; // the rows that are read
    int to = 0;
    for (int y = 0; y < outHeight; y++) {
      if (down[y * SPAN + 1] > 0) {
        from = Math.min(from, down[y * SPAN]);
        to = Math.max(to, down[y * SPAN] + down[y * SPAN + 1]);
      }
    }
    int padding = Math.max(0, to - from); // the row behind them
    int[][] rows = new int[padding + 1][CHANNELS * outWidth];
    for (int row = 0; row <= padding; row++) {
      for (int x = 0; x < outWidth; x++) {
        int first = (from + row) * width + across[x * SPAN];
        int at = across[x * SPAN + 2];
        for (int channel = 0; channel < CHANNELS; channel++) {
          int pad = geometry[3 + channel];
          int sum = across[x * SPAN + 3] * pad;
          for (int k = 0; k < across[x * SPAN + 1]; k++) {
            double value = row == padding ? pad : picture[(first + k) * CHANNELS + channel];
            sum += weights[at + k] * (int) value;
          }
          rows[row][CHANNELS * x + channel] = rounded(sum);
        }
      }
    }
    for (int y = 0; y < outHeight; y++) {
      int first = down[y * SPAN] - from;
      int at = down[y * SPAN + 2];
      for (int i = 0; i < CHANNELS * outWidth; i++) {
        int sum = down[y * SPAN + 3] * rows[padding][i];
        for (int k = 0; k < down[y * SPAN + 1]; k++) {
          sum += weights[at + k] * rows[first + k][i];
        }
        int channel = i % CHANNELS;
        int x = i / CHANNELS;
        int place = turned ? x * outHeight + y : y * outWidth + x;
        // Whole numbers and a table: a kernel has nothing to round.
        c.put(channel * outHeight * outWidth + place, c.in(6)[channel * LEVELS + rounded(sum)], 0);
      }
    }
  }

  private static int[] whole(double[] x) {
    return Arrays.stream(x).mapToInt(v -> (int) v).toArray();
  }

  /** The nearest of the numbers 0 to 255. */
  private static int rounded(int sum) {
    return Math.clamp((sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS, 0, LEVELS - 1);
  }

  /** Every weight meets three channels: of a row as often as rows are read, of a column as often as there are columns. */
  @Override
  public double flops(List<@Nullable TensorType> in, TensorType out) {
    TensorType picture = in.get(1);
    return picture == null ? 0 : 8.0 * picture.bytes() + 8.0 * out.bytes();
  }

  @Override
  public List<Case> cases() {
    return List.of(
        new Layout(1, 1, 1, 1).make("one pixel"),
        new Layout(4, 3, 4, 3).make("same size"),
        new Layout(23, 17, 7, 5).make("smaller"),
        new Layout(5, 4, 37, 18).make("larger"),
        new Layout(90, 41, 40, 33).turned().make("turned"),
        new Layout(61, 30, 34, 9).padded(9, 30).make("padded"),
        new Layout(13, 400, 6, 35).padded(200, 0).make("padded sideways"),
        new Layout(640, 480, 336, 336).make("photo").asReal());
  }

  /** Spans and weights for a case: plain averages with a little noise, some below zero; the rest of each tensor is unused room. */
  private static final class Layout {
    final int width;
    final int height;
    final int outWidth;
    final int outHeight;
    int left;
    int top;
    int turned;
    final List<Integer> weights = new ArrayList<>();
    private int noise = 1;

    Layout(int width, int height, int outWidth, int outHeight) {
      this.width = width;
      this.height = height;
      this.outWidth = outWidth;
      this.outHeight = outHeight;
    }

    Layout turned() {
      turned = 1;
      return this;
    }

    /** So many columns of padding left and right of the picture, so many rows above and below. */
    Layout padded(int left, int top) {
      this.left = left;
      this.top = top;
      return this;
    }

    private int noise(int most) {
      noise = noise * 1103515245 + 12345;
      return (noise >>> 8) % (2 * most + 1) - most;
    }

    private List<Integer> spans(int size, int padding, int out) {
      List<Integer> spans = new ArrayList<>();
      double scale = (size + 2.0 * padding) / out;
      for (int i = 0; i < out; i++) {
        int low = Math.max(0, (int) (scale * i - scale)) - padding;
        int high = Math.min(size + 2 * padding, (int) (scale * (i + 2)) + 1) - padding;
        int first = Math.clamp(low, 0, size);
        int end = Math.clamp(high, first, size);
        int share = (1 << FRACTION_BITS) / (high - low);
        spans.add(first);
        spans.add(end - first);
        spans.add(weights.size());
        spans.add(share * (high - low - (end - first)));
        for (int k = first; k < end; k++) {
          weights.add(share / 4 * 3 + noise(share)); // no sum exceeds 31 bits
        }
      }
      return spans;
    }

    Case make(String name) {
      List<Integer> across = spans(width, left, outWidth);
      List<Integer> down = spans(height, top, outHeight);
      return new Case(
          name,
          new Resize(),
          List.of(
              TensorType.f32(Shape.of(C, CHANNELS, Y, outHeight, X, outWidth)),
              new TensorType(DType.U8, Shape.of(I, CHANNELS * width * height + turned)),
              TensorType.i32(Shape.of(I, GEOMETRY)),
              TensorType.i32(Shape.of(X, outWidth, I, SPAN)),
              TensorType.i32(Shape.of(Y, outHeight, I, SPAN)),
              TensorType.i32(Shape.of(I, weights.size() + turned)),
              TensorType.f32(Shape.of(C, CHANNELS, I, LEVELS))),
          List.of(
              new Fill.Normal(1),
              new Fill.Whole(0, LEVELS - 1),
              new Fill.Values(width, height, turned, 122, 7, 255),
              new Fill.Values(across.toArray(Number[]::new)),
              new Fill.Values(down.toArray(Number[]::new)),
              new Fill.Values(weights.toArray(Number[]::new)),
              new Fill.Normal(1)));
    }
  }
}
