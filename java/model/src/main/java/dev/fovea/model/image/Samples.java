package dev.fovea.model.image;

import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DirectColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.IOException;

/**
 * From what ImageIO decoded to plain 8-bit RGB, sample by sample and without any colour management, as Pillow's {@code
 * convert("RGB")} does: grey is repeated, palettes are looked up, alpha is dropped and not composited.
 */
final class Samples {

  private Samples() {}

  /** Any image of the JDK's readers to RGB; of 16-bit samples the high byte counts. */
  static Picture toRgb(BufferedImage image) throws IOException {
    Raster raster = image.getRaster();
    ColorModel model = image.getColorModel();
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int bands = raster.getNumBands();
    int[] row = new int[Math.multiplyExact(width, bands)];
    if (model instanceof IndexColorModel palette) {
      // 256 entries whatever the palette holds: an index past its end is black.
      int[] colors = new int[1 << Math.max(8, palette.getPixelSize())];
      palette.getRGBs(colors);
      for (int y = 0, at = 0; y < height; y++) {
        raster.getSamples(0, y, width, 1, 0, row);
        for (int x = 0; x < width; x++, at += 3) {
          int color = colors[row[x]];
          rgb[at] = (byte) (color >> 16);
          rgb[at + 1] = (byte) (color >> 8);
          rgb[at + 2] = (byte) color;
        }
      }
    } else if (model instanceof DirectColorModel packed) {
      // Sample sizes below 8 bits are stretched with truncation, v * 255 / max, as Pillow does.
      int[] max = new int[3];
      for (int c = 0; c < 3; c++) {
        max[c] = (1 << packed.getComponentSize(c)) - 1;
      }
      for (int y = 0, at = 0; y < height; y++) {
        raster.getPixels(0, y, width, 1, row);
        for (int x = 0, from = 0; x < width; x++, at += 3, from += bands) {
          for (int c = 0; c < 3; c++) {
            int v = row[from + c];
            rgb[at + c] = (byte) (max[c] == 255 ? v : (int) (v * 255L / max[c]));
          }
        }
      }
    } else {
      int type = raster.getTransferType();
      if (type != DataBuffer.TYPE_BYTE && type != DataBuffer.TYPE_USHORT) {
        throw new IOException("samples of type " + type);
      }
      int shift = type == DataBuffer.TYPE_USHORT ? 8 : 0;
      int green = bands >= 3 ? 1 : 0;
      int blue = bands >= 3 ? 2 : 0;
      for (int y = 0, at = 0; y < height; y++) {
        raster.getPixels(0, y, width, 1, row);
        for (int x = 0, from = 0; x < width; x++, at += 3, from += bands) {
          rgb[at] = (byte) (row[from] >> shift);
          rgb[at + 1] = (byte) (row[from + green] >> shift);
          rgb[at + 2] = (byte) (row[from + blue] >> shift);
        }
      }
    }
    return new Picture(width, height, rgb);
  }
}
