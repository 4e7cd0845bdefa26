package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * How the original picture lies in the square the model sees. Along each axis a pixel coordinate p of the original is at (a·p + b) / c
 * of the square's side; a, b, c are whole numbers, so that rounding to a prompt's decimals is exact.
 *
 * @param mode   how the square was made
 * @param width  of the original, pixels
 * @param height of the original, pixels
 * @param x      the horizontal mapping
 * @param y      the vertical mapping
 */
public record ImageFrame(Mode mode, int width, int height, Axis x, Axis y) {
  /** The ways pictures become square. */
  public enum Mode {
    /** Stretched: ChatSpot. */
    RESIZE,
    /** Padded to a square, the picture in the middle: LLaVA 1.5, Shikra. */
    PAD_CENTRED,
    /** Padded to a square, the picture at the top left: MMGPT. */
    PAD_TOP_LEFT,
    /** Shorter side resized, middle cut out: CLIP, LLaVA 1.0. */
    CENTRE_CROP
  }

  /**
   * One axis: p of {@code size} pixels is at (scale·p + offset) / side of the square.
   *
   * @param scale  a, positive
   * @param offset b, negative where a crop cuts off
   * @param side   c, positive
   * @param size   pixels of the original
   */
  public record Axis(long scale, long offset, long side, int size) {

    /** Where pixel p is, 0 to 1 inside the square, not clamped. */
    public double relative(double p) {
      return (scale * p + offset) / side;
    }

    /** The pixel at a place of the square; the inverse of {@link #relative}. */
    public double pixel(double relative) {
      return (relative * side - offset) / scale;
    }

    /** Where pixel p is, clamped to the square, times {@code factor}, rounded exactly to {@code decimals}. */
    BigDecimal rounded(BigDecimal p, int factor, int decimals, RoundingMode rounding) {
      BigDecimal sum = p.multiply(BigDecimal.valueOf(scale)).add(BigDecimal.valueOf(offset));
      BigDecimal clamped = sum.max(BigDecimal.ZERO).min(BigDecimal.valueOf(side));
      return clamped
          .multiply(BigDecimal.valueOf(factor))
          .divide(BigDecimal.valueOf(side), decimals, rounding);
    }
  }

  /** Stretched to a square of any side. */
  public static ImageFrame resize(int width, int height) {
    check(width, height);
    return new ImageFrame(
        Mode.RESIZE, width, height, new Axis(1, 0, width, width), new Axis(1, 0, height, height));
  }

  /** Padded to a square with the picture in the middle; an odd remainder goes right and below, as the reference rounds. */
  public static ImageFrame padCentred(int width, int height) {
    check(width, height);
    int side = Math.max(width, height);
    return new ImageFrame(
        Mode.PAD_CENTRED,
        width,
        height,
        new Axis(1, (side - width) / 2, side, width),
        new Axis(1, (side - height) / 2, side, height));
  }

  /** Padded to a square with the picture at the top left. */
  public static ImageFrame padTopLeft(int width, int height) {
    check(width, height);
    int side = Math.max(width, height);
    return new ImageFrame(
        Mode.PAD_TOP_LEFT,
        width,
        height,
        new Axis(1, 0, side, width),
        new Axis(1, 0, side, height));
  }

  /**
   * The shorter side resized to {@code shortest} (the longer to the truncated proportion), then a square of {@code crop} cut from the
   * middle, as CLIP's processor does.
   */
  public static ImageFrame centreCrop(int width, int height, int shortest, int crop) {
    check(width, height);
    if (crop < 1 || crop > shortest) {
      throw InputException.mismatch("crop size", "1 to " + shortest, crop);
    }
    long resizedWidth = width <= height ? shortest : (long) shortest * width / height;
    long resizedHeight = width <= height ? (long) shortest * height / width : shortest;
    return new ImageFrame(
        Mode.CENTRE_CROP,
        width,
        height,
        cropAxis(resizedWidth, width, crop),
        cropAxis(resizedHeight, height, crop));
  }

  private static Axis cropAxis(long resized, int size, int crop) {
    long cut = (resized - crop) / 2;
    // pixel p is at p·resized/size − cut of crop
    return new Axis(resized, -cut * size, (long) crop * size, size);
  }

  private static void check(int width, int height) {
    if (width < 1 || height < 1) {
      throw InputException.mismatch("picture size", "at least 1 x 1", width + " x " + height);
    }
  }
}
