package dev.fovea.model.image;

/** The one EXIF field that matters here (EXIF 2.32, section 4.6.4): tag 0x0112 of the first TIFF directory. */
final class Exif {

  private Exif() {}

  /**
   * The orientation in a TIFF block; 1 wherever the block is damaged or silent, since a broken note about a picture does not spoil
   * the picture.
   */
  static int orientation(Source source, int start, int length) {
    if (length < 8 || start < 0 || start + (long) length > source.length()) {
      return 1;
    }
    boolean little = source.has(start, "II*\0");
    if (!little && !source.has(start, "MM\0*")) {
      return 1;
    }
    long directory = u32(source, start + 4, little);
    if (directory + 2 > length) {
      return 1;
    }
    int entries = u16(source, start + (int) directory, little);
    for (int i = 0; i < entries; i++) {
      long entry = directory + 2 + 12L * i;
      if (entry + 12 > length) {
        return 1;
      }
      int at = start + (int) entry;
      if (u16(source, at, little) == 0x0112) {
        int value = u16(source, at + 8, little);
        return value >= 1 && value <= 8 ? value : 1;
      }
    }
    return 1;
  }

  private static int u16(Source source, int at, boolean little) {
    return little ? source.u16le(at, "EXIF") : source.u16be(at, "EXIF");
  }

  private static long u32(Source source, int at, boolean little) {
    return little ? source.u32le(at, "EXIF") : source.u32be(at, "EXIF");
  }
}
