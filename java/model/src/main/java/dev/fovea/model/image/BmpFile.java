package dev.fovea.model.image;

import java.io.IOException;

/** Windows bitmaps: 1, 4, 8, 16, 24 and 32 bits, plain, run-length and bit-field coded. The fourth byte of 32 bits is dropped. */
record BmpFile(int width, int height, Source source) implements PictureFile {

  static BmpFile open(Source source) {
    long offset = source.u32le(10, "BMP pixel offset");
    long headerSize = source.u32le(14, "BMP header size");
    long width;
    long height;
    int bits;
    long compression = 0;
    if (headerSize == 12) {
      width = source.u16le(18, "BMP width");
      height = source.u16le(20, "BMP height");
      bits = source.u16le(24, "BMP bits per pixel");
    } else if (headerSize == 40
        || headerSize == 52
        || headerSize == 56
        || headerSize == 64
        || headerSize == 108
        || headerSize == 124) {
      source.need(14, headerSize, "BMP header");
      width = (int) source.u32le(18, "BMP width");
      // A negative height means rows from the top.
      height = Math.abs((long) (int) source.u32le(22, "BMP height"));
      bits = source.u16le(28, "BMP bits per pixel");
      compression = source.u32le(30, "BMP compression");
      long colors = source.u32le(46, "BMP colours used");
      if (colors > 256) {
        throw source.bad("BMP colours used at byte 46", "at most 256", colors);
      }
    } else {
      throw source.bad("BMP header size at byte 14", "12, 40, 52, 56, 64, 108 or 124", headerSize);
    }
    boolean known = switch (bits) {
      case 1, 24 -> compression == 0;
      case 4 -> compression == 0 || compression == 2;
      case 8 -> compression == 0 || compression == 1;
      case 16, 32 -> compression == 0 || compression == 3;
      default -> false;
    };
    if (!known) {
      throw source.bad(
          "BMP header",
          "1, 4, 8, 16, 24 or 32 bits, plain, run-length or bit-field coded",
          bits + " bits with compression " + compression);
    }
    ImageDecoder.requireSides(source, "BMP", width, height);
    if (offset < 14 + headerSize) {
      throw source.bad("BMP pixel offset at byte 10", "at least " + (14 + headerSize), offset);
    }
    long rows = compression == 0 || compression == 3 ? (width * bits + 31) / 32 * 4 * height : 1;
    source.need(offset, rows, "BMP pixels");
    return new BmpFile((int) width, (int) height, source);
  }

  @Override
  public int orientation() {
    return 1;
  }

  @Override
  public Picture decode() throws IOException {
    return Samples.toRgb(PictureFile.readFirst(PictureFile.reader("bmp"), source.array()));
  }
}
