package dev.fovea.model.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.zip.CRC32;

/** PNG (W3C PNG, third edition). Only IHDR, PLTE and IDAT reach the decoder: they alone decide the samples. */
record PngFile(int width, int height, int orientation, Source critical) implements PictureFile {

  static PngFile open(Source source) {
    if (source.u32be(8, "PNG header length") != 13 || !source.has(12, "IHDR")) {
      throw source.bad("PNG chunk at byte 8", "IHDR of 13 bytes", "another");
    }
    long width = source.u32be(16, "PNG width");
    long height = source.u32be(20, "PNG height");
    int depth = source.u8(24, "PNG bit depth");
    int color = source.u8(25, "PNG colour type");
    boolean known = switch (color) {
      case 0 -> depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
      case 3 -> depth == 1 || depth == 2 || depth == 4 || depth == 8;
      case 2, 4, 6 -> depth == 8 || depth == 16;
      default -> false;
    };
    if (!known) {
      throw source.bad(
          "PNG IHDR", "a bit depth and colour type of the standard", depth + " and " + color);
    }
    ImageDecoder.requireSides(source, "PNG", width, height);
    var kept = new ByteArrayOutputStream();
    kept.write(source.array(), 0, 8);
    boolean palette = false;
    boolean data = false;
    boolean ended = false;
    int orientation = 1;
    long at = 8;
    while (!ended && at < source.length()) {
      int here = (int) at;
      long length = source.u32be(here, "PNG chunk length");
      source.need(at + 4, length + 8, "PNG chunk");
      boolean header = source.has(here + 4, "IHDR");
      boolean colors = source.has(here + 4, "PLTE");
      boolean pixels = source.has(here + 4, "IDAT");
      if (header && here != 8) {
        throw source.bad("PNG chunk at byte " + here, "one IHDR", "a second");
      }
      if (colors) {
        if (palette || data || length == 0 || length > 768 || length % 3 != 0) {
          throw source.bad(
              "PNG palette at byte " + here,
              "one of 3 to 768 bytes before the pixels",
              length + " bytes");
        }
        palette = true;
      }
      if (pixels) {
        data = true;
      }
      if (header || pixels || (colors && color == 3)) {
        var crc = new CRC32();
        crc.update(source.array(), here + 4, (int) length + 4);
        long stored = source.u32be(here + 8 + (int) length, "PNG checksum");
        if (crc.getValue() != stored) {
          throw source.bad(
              "PNG checksum of the chunk at byte " + here,
              String.format("%08x", stored),
              String.format("%08x", crc.getValue()));
        }
        kept.write(source.array(), here, (int) length + 12);
      } else if (source.has(here + 4, "eXIf")) {
        orientation = Exif.orientation(source, here + 8, (int) length);
      }
      ended = source.has(here + 4, "IEND");
      at += 12 + length;
    }
    if (!data) {
      throw source.bad("PNG pixels", "an IDAT chunk", "none");
    }
    if (color == 3 && !palette) {
      throw source.bad("PNG palette", "a PLTE chunk for colour type 3", "none");
    }
    // An empty end chunk and its checksum, the same in every PNG.
    kept.writeBytes(
        new byte[] {0, 0, 0, 0, 'I', 'E', 'N', 'D', (byte) 0xAE, 0x42, 0x60, (byte) 0x82});
    return new PngFile(
        (int) width, (int) height, orientation, new Source(source.name(), kept.toByteArray()));
  }

  @Override
  public Picture decode() throws IOException {
    return Samples.toRgb(PictureFile.readFirst(PictureFile.reader("png"), critical.array()));
  }
}
