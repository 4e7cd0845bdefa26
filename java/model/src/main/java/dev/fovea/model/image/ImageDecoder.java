package dev.fovea.model.image;

import dev.fovea.error.FileException;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Reads JPEG, PNG, WebP, BMP and GIF (first frame) into RGB as Pillow's {@code
 * Image.open(f).convert("RGB")} does: bit for bit for PNG, BMP, GIF and WebP, and with the JDK's libjpeg also for JPEG, whose
 * standard would leave decoders some freedom. One deviation on purpose: of 16-bit grey the high byte is kept, where Pillow clips at 255.
 *
 * <p>The file's structure is walked and the limits are checked before any pixel is decoded.
 *
 * @param maxPixels the largest width times height
 * @param maxSide the largest width or height
 * @param maxBytes the largest file
 * @param exifOrientation whether to turn the picture upright as its EXIF note asks; Pillow, and so the models' training, does not
 */
public record ImageDecoder(long maxPixels, int maxSide, long maxBytes, boolean exifOrientation) {

  /** 64 megapixels, sides to 32768, files to 256 MiB, no turning. */
  public static final ImageDecoder STANDARD =
      new ImageDecoder(64_000_000, 32_768, 256L << 20, false);

  /**
   * Checks the limits.
   *
   * @throws InputException if a limit is not positive, or allows pictures that a byte array cannot hold
   */
  public ImageDecoder {
    // 3 bytes a pixel in one array; 4 while ImageIO decodes.
    if (maxPixels <= 0 || maxPixels > Integer.MAX_VALUE / 4) {
      throw InputException.mismatch("pixel limit", "1 to " + Integer.MAX_VALUE / 4, maxPixels);
    }
    if (maxSide <= 0) {
      throw InputException.mismatch("side limit", "a positive number", maxSide);
    }
    if (maxBytes <= 0 || maxBytes > Integer.MAX_VALUE - 64) {
      throw InputException.mismatch(
          "file size limit", "1 to " + (Integer.MAX_VALUE - 64), maxBytes);
    }
  }

  /** The same limits, with the EXIF orientation applied or not. */
  public ImageDecoder withExifOrientation(boolean apply) {
    return new ImageDecoder(maxPixels, maxSide, maxBytes, apply);
  }

  /**
   * Reads a file.
   *
   * @throws FileException if the file cannot be read, is no picture, is damaged, or exceeds a limit; the message names the file, the
   *     field, what was expected and what was found
   */
  public Picture decode(Path file) {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      // Bounded by what is read, not by the size a special file claims.
      bytes = in.readNBytes((int) maxBytes + 1);
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read (" + e.getMessage() + ")", e);
    }
    return decode(bytes, file.toString());
  }

  /**
   * Reads a file that is already in memory.
   *
   * @param bytes a whole picture file
   * @param name what to call it in errors
   * @throws FileException as {@link #decode(Path)}
   */
  public Picture decode(byte[] bytes, String name) {
    var source = new Source(name, bytes);
    if (bytes.length > maxBytes) {
      throw source.bad("file size", "at most " + maxBytes + " bytes", "more");
    }
    PictureFile file = PictureFile.open(source);
    if (file.width() > maxSide || file.height() > maxSide) {
      throw source.bad(
          "picture size", "sides of at most " + maxSide, file.width() + "x" + file.height());
    }
    if ((long) file.width() * file.height() > maxPixels) {
      throw source.bad(
          "picture size",
          "at most " + maxPixels + " pixels",
          file.width() + "x" + file.height() + " = " + (long) file.width() * file.height());
    }
    Picture picture;
    try {
      picture = file.decode();
    } catch (FoveaException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      // The readers of the JDK and of TwelveMonkeys answer damaged data with whatever broke first.
      FileException damaged = source.refuse("damaged pixel data (" + brief(e) + ")");
      damaged.initCause(e);
      throw damaged;
    }
    if (picture.width() != file.width() || picture.height() != file.height()) {
      throw source.bad(
          "decoded size",
          file.width() + "x" + file.height(),
          picture.width() + "x" + picture.height());
    }
    return exifOrientation ? picture.upright(file.orientation()) : picture;
  }

  private static String brief(Throwable e) {
    String message = e.getMessage();
    if (message == null || message.isBlank()) {
      return e.getClass().getSimpleName();
    }
    String line = message.lines().findFirst().orElse(message);
    return line.length() > 120 ? line.substring(0, 120) : line;
  }

  /** Refuses sides of zero and sides no array could hold, before any arithmetic on them. */
  static void requireSides(Source source, String format, long width, long height) {
    if (width <= 0 || height <= 0 || width > Integer.MAX_VALUE || height > Integer.MAX_VALUE) {
      throw source.bad(format + " size", "positive sides", width + "x" + height);
    }
  }
}
