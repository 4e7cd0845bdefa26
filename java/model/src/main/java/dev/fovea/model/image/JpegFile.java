package dev.fovea.model.image;

import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import javax.imageio.ImageReader;
import javax.imageio.event.IIOReadWarningListener;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Baseline and progressive JPEG (ITU-T T.81) of 8 bits with 1, 3 or 4 components. The decoder is asked for the stored components;
 * which colours they are is decided here by the rules of libjpeg (JFIF and Adobe markers, then component names), and CMYK is taken
 * to be inverted, as Adobe writes it and Pillow reads it.
 */
record JpegFile(int width, int height, int orientation, Colors colors, Source essential)
    implements PictureFile {

  enum Colors {
    GREY,
    RGB,
    YCC,
    CMYK,
    YCCK
  }

  /** A progressive picture has about ten scans; each costs a pass over all pixels, so a file with very many is an attack. */
  private static final int MAX_SCANS = 100;

  static JpegFile open(Source source) {
    var kept = new ByteArrayOutputStream(source.length());
    kept.write(0xFF);
    kept.write(0xD8);
    int at = 2;
    int frame = -1;
    int orientation = 1;
    boolean jfif = false;
    int adobe = -1;
    int scans = 0;
    while (true) {
      if (source.u8(at, "JPEG marker") != 0xFF) {
        throw source.bad(
            "JPEG marker at byte " + at, "ff", Integer.toHexString(source.u8(at, "JPEG marker")));
      }
      int marker = source.u8(at + 1, "JPEG marker");
      if (marker == 0xFF) {
        at++;
        continue;
      }
      if (marker == 0xD9) {
        break;
      }
      if (marker == 0xD8 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {
        at += 2;
        continue;
      }
      int length = source.u16be(at + 2, "JPEG segment length");
      if (length < 2) {
        throw source.bad("JPEG segment length at byte " + (at + 2), "at least 2", length);
      }
      source.need(at + 2, length, "JPEG segment");
      int end = at + 2 + length;
      boolean frameHeader =
          marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
      if (frameHeader) {
        if (marker > 0xC2) {
          throw source.refuse(
              (marker >= 0xC9 ? "arithmetic-coded" : marker == 0xC3 ? "lossless" : "hierarchical")
                  + " JPEG is not read; expected baseline or progressive");
        }
        if (frame >= 0) {
          throw source.bad("JPEG frame header at byte " + at, "one", "a second");
        }
        frame = at;
      } else if (marker == 0xE0 && source.has(at + 4, "JFIF\0")) {
        jfif = true;
      } else if (marker == 0xE1 && source.has(at + 4, "Exif\0\0")) {
        orientation = Exif.orientation(source, at + 10, length - 8);
      } else if (marker == 0xEE && length >= 14 && source.has(at + 4, "Adobe")) {
        adobe = source.u8(at + 15, "JPEG Adobe transform");
      }
      if (marker == 0xDA) {
        if (frame < 0) {
          throw source.bad("JPEG scan at byte " + at, "a frame header before it", "none");
        }
        if (++scans > MAX_SCANS) {
          throw source.bad("JPEG scans", "at most " + MAX_SCANS, "more");
        }
        end = endOfScan(source, end);
      }
      // Everything but application segments and comments.
      if ((marker < 0xE0 || marker > 0xEF) && marker != 0xFE) {
        kept.write(source.array(), at, end - at);
      }
      at = end;
    }
    if (frame < 0 || scans == 0) {
      throw source.bad("JPEG", "a frame and a scan", frame < 0 ? "no frame" : "no scan");
    }
    kept.write(0xFF);
    kept.write(0xD9);
    int bits = source.u8(frame + 4, "JPEG precision");
    if (bits != 8) {
      throw source.bad("JPEG precision at byte " + (frame + 4), "8 bits", bits);
    }
    int height = source.u16be(frame + 5, "JPEG height");
    int width = source.u16be(frame + 7, "JPEG width");
    ImageDecoder.requireSides(source, "JPEG", width, height);
    int components = source.u8(frame + 9, "JPEG components");
    if (source.u16be(frame + 2, "JPEG frame length") != 8 + 3 * components) {
      throw source.bad(
          "JPEG frame length at byte " + (frame + 2),
          8 + 3 * components,
          source.u16be(frame + 2, "JPEG frame length"));
    }
    Colors colors = switch (components) {
      case 1 -> Colors.GREY;
      case 3 -> {
        boolean named = source.u8(frame + 10, "JPEG") == 'R'
            && source.u8(frame + 13, "JPEG") == 'G'
            && source.u8(frame + 16, "JPEG") == 'B';
        yield jfif ? Colors.YCC : adobe == 0 || (adobe < 0 && named) ? Colors.RGB : Colors.YCC;
      }
      case 4 -> adobe == 2 ? Colors.YCCK : Colors.CMYK;
      default ->
        throw source.bad("JPEG components at byte " + (frame + 9), "1, 3 or 4", components);
    };
    return new JpegFile(
        width, height, orientation, colors, new Source(source.name(), kept.toByteArray()));
  }

  /** The place of the marker that ends the entropy-coded data. */
  private static int endOfScan(Source source, int at) {
    byte[] bytes = source.array();
    while (true) {
      while (at < bytes.length && bytes[at] != (byte) 0xFF) {
        at++;
      }
      if (at + 1 >= bytes.length) {
        throw source.bad(
            "JPEG",
            "an end marker (ff d9)",
            "the file's end at byte " + bytes.length + " (truncated)");
      }
      int next = bytes[at + 1] & 0xFF;
      if (next == 0xFF) {
        at++;
      } else if (next == 0 || (next >= 0xD0 && next <= 0xD7)) {
        at += 2;
      } else {
        return at;
      }
    }
  }

  @Override
  public Picture decode() throws IOException {
    ImageReader reader = PictureFile.reader("jpeg");
    Raster raster;
    boolean[] cut = new boolean[1];
    try (var input = new MemoryCacheImageInputStream(new ByteArrayInputStream(essential.array()))) {
      // libjpeg fills what is missing with grey and only warns.
      IIOReadWarningListener listener =
          (source, warning) -> cut[0] |= warning.contains("remature end");
      reader.addIIOReadWarningListener(listener);
      reader.setInput(input, true, true);
      raster = reader.readRaster(0, null);
    } finally {
      reader.dispose();
    }
    if (cut[0]) {
      throw essential.bad("JPEG pixel data", "data for every row", "the end of the data (damaged)");
    }
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int bands = raster.getNumBands();
    int expected = switch (colors) {
      case GREY -> 1;
      case RGB, YCC -> 3;
      case CMYK, YCCK -> 4;
    };
    if (bands != expected || raster.getWidth() != width || raster.getHeight() != height) {
      throw essential.bad(
          "JPEG raster",
          width + "x" + height + " of " + expected + " components",
          raster.getWidth() + "x" + raster.getHeight() + " of " + bands);
    }
    int[] row = new int[width * bands];
    for (int y = 0, at = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0, from = 0; x < width; x++, from += bands, at += 3) {
        switch (colors) {
          case GREY -> put(rgb, at, row[from], row[from], row[from]);
          case RGB -> put(rgb, at, row[from], row[from + 1], row[from + 2]);
          case YCC -> ycc(rgb, at, row[from], row[from + 1] - 128, row[from + 2] - 128);
          // Inverted CMYK: what is stored is 255 - ink.
          case CMYK -> inks(rgb, at, row[from], row[from + 1], row[from + 2], row[from + 3]);
          case YCCK -> {
            ycc(rgb, at, row[from], row[from + 1] - 128, row[from + 2] - 128);
            inks(
                rgb,
                at,
                255 - (rgb[at] & 0xFF),
                255 - (rgb[at + 1] & 0xFF),
                255 - (rgb[at + 2] & 0xFF),
                row[from + 3]);
          }
        }
      }
    }
    return new Picture(width, height, rgb);
  }

  /** YCbCr of JFIF 1.02 in 16-bit fixed point with the roundings of libjpeg; cb and cr already centred on 0. */
  private static void ycc(byte[] rgb, int at, int y, int cb, int cr) {
    put(
        rgb,
        at,
        clamp(y + ((91881 * cr + 32768) >> 16)),
        clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16)),
        clamp(y + ((116130 * cb + 32768) >> 16)));
  }

  /** 255 - min(255, ink + black) with both inverted: Pillow's naive conversion, light times whiteness. */
  private static void inks(byte[] rgb, int at, int c, int m, int y, int k) {
    put(rgb, at, light(c, k), light(m, k), light(y, k));
  }

  /** k - round(ink * k / 255), the division by 255 in the usual exact shift form. */
  private static int light(int inverted, int k) {
    int product = (255 - inverted) * k + 128;
    return clamp(k - (((product >> 8) + product) >> 8));
  }

  private static void put(byte[] rgb, int at, int r, int g, int b) {
    rgb[at] = (byte) r;
    rgb[at + 1] = (byte) g;
    rgb[at + 2] = (byte) b;
  }

  private static int clamp(int v) {
    return Math.max(0, Math.min(255, v));
  }
}
