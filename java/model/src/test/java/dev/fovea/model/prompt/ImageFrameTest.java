package dev.fovea.model.prompt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.image.Resampled;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ImageFrameTest {

  /** The frame of a picture that was made an S × S square in a mode. */
  private static ImageFrame frame(ImageMode mode, int width, int height, int size) {
    return switch (mode) {
      case RESIZE -> ImageFrame.resize(width, height);
      case PAD -> ImageFrame.padCentred(width, height);
      case PAD_TOP_LEFT -> ImageFrame.padTopLeft(width, height);
      case CROP -> ImageFrame.centreCrop(width, height, size, size);
    };
  }

  @Test
  void mapsCornersAndBack() {
    for (long seed = 1; seed <= 200; seed++) {
      var random = new Random(seed);
      int w = 1 + random.nextInt(2000);
      int h = 1 + random.nextInt(2000);
      int s = 14 * (1 + random.nextInt(24));
      for (ImageMode mode : ImageMode.values()) {
        ImageFrame frame = frame(mode, w, h, s);
        String at = mode + " seed " + seed;
        for (ImageFrame.Axis axis : new ImageFrame.Axis[] {frame.x(), frame.y()}) {
          double p = random.nextDouble() * axis.size();
          assertEquals(p, axis.pixel(axis.relative(p)), 1e-6, at);
          double low = axis.relative(0);
          double high = axis.relative(axis.size());
          if (mode == ImageMode.CROP) {
            // The square is covered: what is seen lies inside the picture.
            assertTrue(low <= 0 && high >= 1 - 1e-12, at);
          } else {
            assertTrue(low >= 0 && high <= 1 + 1e-12, at);
          }
        }
      }
    }
  }

  @Test
  void isWhereThePixelsAre() {
    // One white block on black, found again where the frame says.
    int w = 90;
    int h = 60;
    int side = 112;
    byte[] rgb = new byte[3 * w * h];
    for (int y = 20; y < 40; y++) {
      Arrays.fill(rgb, 3 * (y * w + 40), 3 * (y * w + 60), (byte) 255);
    }
    for (ImageMode mode : ImageMode.values()) {
      Picture square = Resampled.square(Preprocessing.clip(mode, side), new Picture(w, h, rgb));
      ImageFrame frame = frame(mode, w, h, side);
      int x = (int) Math.round(side * frame.x().relative(50));
      int y = (int) Math.round(side * frame.y().relative(30));
      assertEquals(0xFFFFFF, square.pixel(x, y), mode.toString());
      assertEquals(0, square.pixel((int) (side * frame.x().relative(38)) - 2, y), mode.toString());
      assertEquals(0, square.pixel(x, (int) (side * frame.y().relative(42)) + 2), mode.toString());
    }
  }
}
