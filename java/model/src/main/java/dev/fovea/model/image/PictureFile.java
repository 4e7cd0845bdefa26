package dev.fovea.model.image;

import dev.fovea.error.FileException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * A picture file whose structure has been walked: the sizes are known and every length in it lies inside the file, but no pixel
 * has been decoded. What the pixel decoder then sees is a copy holding only what decides the pixels, so that colour profiles,
 * comments and later frames can neither cost time nor do harm.
 */
sealed interface PictureFile permits BmpFile, GifFile, JpegFile, PngFile, WebpFile {

  int width();

  int height();

  /** The EXIF orientation, 1 to 8; 1 where the file has none. */
  int orientation();

  /**
   * The pixels as they are stored.
   *
   * @throws IOException if the pixel data is damaged; decoders also throw assorted unchecked exceptions
   */
  Picture decode() throws IOException;

  /**
   * Tells the format by the first bytes, never by the name, and walks the file.
   *
   * @throws FileException if it is no picture, one of a kind that is not read, or its structure is broken
   */
  static PictureFile open(Source source) {
    if (source.length() == 0) {
      throw source.refuse("empty file, expected a JPEG, PNG, WebP, BMP or GIF picture");
    }
    if (source.has(0, "\u0089PNG\r\n\u001a\n")) {
      return PngFile.open(source);
    }
    if (source.has(0, "\u00ff\u00d8\u00ff")) {
      return JpegFile.open(source);
    }
    if (source.has(0, "GIF87a") || source.has(0, "GIF89a")) {
      return GifFile.open(source);
    }
    if (source.has(0, "RIFF") && source.has(8, "WEBP")) {
      return WebpFile.open(source);
    }
    if (source.has(0, "BM")) {
      return BmpFile.open(source);
    }
    String other = otherFormat(source);
    if (other != null) {
      throw source.refuse(other + " is not read; expected a JPEG, PNG, WebP, BMP or GIF picture");
    }
    throw source.refuse(
        "not a picture: expected JPEG, PNG, WebP, BMP or GIF, found " + source.firstBytes());
  }

  private static @org.jspecify.annotations.Nullable String otherFormat(Source source) {
    if (source.has(0, "II*\0") || source.has(0, "MM\0*") || source.has(0, "II+\0")) {
      return "TIFF";
    }
    if (source.has(4, "ftyp")) {
      if (source.has(8, "avif") || source.has(8, "avis")) {
        return "AVIF";
      }
      for (String brand : new String[] {"heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"}) {
        if (source.has(8, brand)) {
          return "HEIC";
        }
      }
      return "an MP4-family file";
    }
    if (source.has(0, "\u00ff\n") || source.has(4, "JXL ")) {
      return "JPEG XL";
    }
    if (source.has(4, "jP  ")) {
      return "JPEG 2000";
    }
    if (source.has(0, "\0\0\1\0")) {
      return "ICO";
    }
    if (source.has(0, "8BPS")) {
      return "a Photoshop file";
    }
    if (source.has(0, "%PDF")) {
      return "PDF";
    }
    int end = Math.min(source.length(), 1024);
    for (int at = 0; at < end; at++) {
      if (source.has(at, "<svg")) {
        return "SVG";
      }
    }
    return null;
  }

  /** The JDK's own reader for a format: {@code png}, {@code jpeg}, {@code gif} or {@code bmp}. */
  static ImageReader reader(String format) {
    for (Iterator<ImageReader> all = ImageIO.getImageReadersByFormatName(format); all.hasNext(); ) {
      ImageReader reader = all.next();
      if (reader.getClass().getModule() == ImageIO.class.getModule()) {
        return reader;
      }
      reader.dispose();
    }
    throw new IllegalStateException("this JDK has no " + format + " reader");
  }

  /** Decodes the first image of a stream held in memory; nothing touches the disk. */
  static BufferedImage readFirst(ImageReader reader, byte[] stream) throws IOException {
    try (var input = new MemoryCacheImageInputStream(new ByteArrayInputStream(stream))) {
      reader.setInput(input, true, true);
      return reader.read(0);
    } finally {
      reader.dispose();
    }
  }
}
