package dev.fovea.model.image;

import java.util.Arrays;

/**
 * Samples of one plane of a frame, whole macroblocks, with a row above and a column to the left that prediction reads: 127 above, 129 to the
 * left. RFC 6386, section 12.2.
 */
final class Vp8Plane {
  private final byte[] samples;
  private final int stride;

  private Vp8Plane(byte[] samples, int stride) {
    this.samples = samples;
    this.stride = stride;
  }

  static Vp8Plane of(int width, int height) {
    int stride = width + 1;
    byte[] samples = new byte[Math.multiplyExact(stride, height + 1)];
    Arrays.fill(samples, 0, stride, (byte) 127);
    for (int y = 1; y <= height; y++) {
      samples[y * stride] = (byte) 129;
    }
    return new Vp8Plane(samples, stride);
  }

  /** Rows from the border row down, {@link #stride} bytes each; not a copy. */
  byte[] samples() {
    return samples;
  }

  int stride() {
    return stride;
  }

  /** The place of a sample; −1 is the border. */
  int at(int x, int y) {
    return (y + 1) * stride + x + 1;
  }

  int get(int x, int y) {
    return samples[at(x, y)] & 0xFF;
  }

  void set(int x, int y, int value) {
    samples[at(x, y)] = (byte) value;
  }
}
