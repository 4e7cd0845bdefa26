package dev.fovea.model.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;

/**
 * GIF87a and GIF89a, first frame only. The frame is laid on the logical screen, which grows if the frame sticks out of it; what
 * the frame does not cover gets the transparent colour if there is one, else colour 0, as in Pillow.
 */
record GifFile(int width, int height, int left, int top, int background, Source frame)
    implements PictureFile {

  static GifFile open(Source source) {
    int screenWidth = source.u16le(6, "GIF screen width");
    int screenHeight = source.u16le(8, "GIF screen height");
    int flags = source.u8(10, "GIF screen flags");
    int at = 13;
    int table = -1;
    int tableBytes = 0;
    if ((flags & 0x80) != 0) {
      table = at;
      tableBytes = 3 << ((flags & 7) + 1);
      source.need(at, tableBytes, "GIF colour table");
      at += tableBytes;
    }
    int transparent = 0;
    while (true) {
      int kind = source.u8(at, "GIF block");
      if (kind == 0x21) {
        // Graphic control: label F9, size 4, flags, delay (2), transparent index.
        if (source.u8(at + 1, "GIF extension") == 0xF9
            && source.u8(at + 2, "GIF graphic control size") == 4
            && (source.u8(at + 3, "GIF graphic control flags") & 1) != 0) {
          transparent = source.u8(at + 6, "GIF transparent colour");
        }
        at = skipBlocks(source, at + 2);
      } else if (kind == 0x2C) {
        break;
      } else {
        throw source.bad(
            "GIF block at byte " + at,
            "an image (2c) or an extension (21)",
            kind == 0x3B ? "the end: no image in the file" : Integer.toHexString(kind));
      }
    }
    int left = source.u16le(at + 1, "GIF frame left");
    int top = source.u16le(at + 3, "GIF frame top");
    int frameWidth = source.u16le(at + 5, "GIF frame width");
    int frameHeight = source.u16le(at + 7, "GIF frame height");
    int frameFlags = source.u8(at + 9, "GIF frame flags");
    ImageDecoder.requireSides(source, "GIF frame", frameWidth, frameHeight);
    at += 10;
    if ((frameFlags & 0x80) != 0) {
      table = at;
      tableBytes = 3 << ((frameFlags & 7) + 1);
      source.need(at, tableBytes, "GIF colour table");
      at += tableBytes;
    }
    int codeSize = source.u8(at, "GIF code size");
    if (codeSize < 2 || codeSize > 8) {
      throw source.bad("GIF code size at byte " + at, "2 to 8", codeSize);
    }
    int end = skipBlocks(source, at + 1);

    // One frame at the corner of its own screen, always with 256 colours: no index of eight bits
    // can miss.
    byte[] colors = new byte[768];
    if (table >= 0) {
      System.arraycopy(source.array(), table, colors, 0, tableBytes);
    } else {
      for (int i = 0; i < 768; i++) {
        colors[i] = (byte) (i / 3);
      }
    }
    var kept = new ByteArrayOutputStream(end - at + 800);
    kept.write(source.array(), 0, 6);
    u16le(kept, frameWidth);
    u16le(kept, frameHeight);
    kept.writeBytes(new byte[] {(byte) 0xF7, 0, 0});
    kept.writeBytes(colors);
    kept.writeBytes(new byte[] {0x2C, 0, 0, 0, 0});
    u16le(kept, frameWidth);
    u16le(kept, frameHeight);
    kept.write(frameFlags & 0x40);
    kept.write(source.array(), at, end - at);
    kept.write(0x3B);

    int background = ((colors[3 * transparent] & 0xFF) << 16)
        | ((colors[3 * transparent + 1] & 0xFF) << 8)
        | (colors[3 * transparent + 2] & 0xFF);
    return new GifFile(
        Math.max(screenWidth, left + frameWidth),
        Math.max(screenHeight, top + frameHeight),
        left,
        top,
        background,
        new Source(source.name(), kept.toByteArray()));
  }

  /** The byte after a chain of sub-blocks and its terminator. */
  private static int skipBlocks(Source source, int at) {
    while (true) {
      int size = source.u8(at, "GIF sub-block");
      source.need(at + 1, size, "GIF sub-block");
      at += 1 + size;
      if (size == 0) {
        return at;
      }
    }
  }

  private static void u16le(ByteArrayOutputStream out, int value) {
    out.write(value);
    out.write(value >> 8);
  }

  @Override
  public int orientation() {
    return 1;
  }

  @Override
  public Picture decode() throws IOException {
    Picture picture =
        Samples.toRgb(PictureFile.readFirst(PictureFile.reader("gif"), frame.array()));
    return Frames.onCanvas(picture, width, height, left, top, background);
  }
}
