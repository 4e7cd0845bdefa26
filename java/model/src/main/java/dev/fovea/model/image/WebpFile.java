package dev.fovea.model.image;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * WebP (RFC 9649), lossy, lossless and the first frame of an animation. The decoder gets the one VP8 or VP8L chunk; alpha planes,
 * profiles and later frames are left out.
 *
 * @param frame where the coded pixels lie
 */
record WebpFile(int width, int height, int orientation, Frame frame, Source source)
    implements PictureFile {

  static WebpFile open(Source source) {
    long riff = source.u32le(4, "WebP size");
    source.need(8, riff, "WebP container");
    long end = 8 + riff;
    int canvasWidth = 0;
    int canvasHeight = 0;
    int orientation = 1;
    Frame frame = null;
    boolean extended = false;
    boolean animated = false;
    long at = 12;
    while (at + 8 <= end) {
      int here = (int) at;
      long size = source.u32le(here + 4, "WebP chunk size");
      if (at + 8 + size > end) {
        throw source.bad(
            "WebP chunk size at byte " + (here + 4), "at most " + (end - at - 8), size);
      }
      if (source.has(here, "VP8X")) {
        if (size < 10) {
          throw source.bad("WebP VP8X size at byte " + (here + 4), 10, size);
        }
        extended = true;
        animated = (source.u8(here + 8, "WebP flags") & 2) != 0;
        canvasWidth = 1 + source.u24le(here + 12, "WebP canvas width");
        canvasHeight = 1 + source.u24le(here + 15, "WebP canvas height");
      } else if (source.has(here, "ANMF") && frame == null) {
        if (size < 16) {
          throw source.bad("WebP frame size at byte " + (here + 4), "at least 16", size);
        }
        frame = animationFrame(source, here + 8, (int) size);
      } else if ((source.has(here, "VP8 ") || source.has(here, "VP8L"))
          && frame == null
          && !animated) {
        frame = bitstream(source, here, (int) size);
      } else if (source.has(here, "EXIF")) {
        int skip = source.has(here + 8, "Exif\0\0") ? 6 : 0;
        orientation = Exif.orientation(source, here + 8 + skip, (int) size - skip);
      }
      at += 8 + size + (size & 1);
    }
    if (frame == null) {
      throw source.bad("WebP", "a VP8, VP8L or ANMF chunk", "none");
    }
    if (!extended) {
      canvasWidth = frame.width;
      canvasHeight = frame.height;
    }
    boolean fits = animated
        ? frame.left + (long) frame.width <= canvasWidth
            && frame.top + (long) frame.height <= canvasHeight
        : frame.width == canvasWidth && frame.height == canvasHeight;
    if (!fits) {
      throw source.bad(
          "WebP frame",
          (animated ? "inside" : "as large as") + " the canvas of " + canvasWidth + "x"
              + canvasHeight,
          frame.width + "x" + frame.height + " at " + frame.left + "," + frame.top);
    }
    return new WebpFile(canvasWidth, canvasHeight, orientation, frame, source);
  }

  /** Where the coded pixels lie and how large they say they are. */
  record Frame(int left, int top, int width, int height, boolean lossless, int at, int bytes) {}

  private static Frame animationFrame(Source source, int at, int size) {
    int left = 2 * source.u24le(at, "WebP frame left");
    int top = 2 * source.u24le(at + 3, "WebP frame top");
    int width = 1 + source.u24le(at + 6, "WebP frame width");
    int height = 1 + source.u24le(at + 9, "WebP frame height");
    long inner = at + 16L;
    long end = at + (long) size;
    while (inner + 8 <= end) {
      int here = (int) inner;
      long length = source.u32le(here + 4, "WebP chunk size");
      if (inner + 8 + length > end) {
        throw source.bad(
            "WebP chunk size at byte " + (here + 4), "at most " + (end - inner - 8), length);
      }
      if (source.has(here, "VP8 ") || source.has(here, "VP8L")) {
        Frame coded = bitstream(source, here, (int) length);
        if (coded.width != width || coded.height != height) {
          throw source.bad(
              "WebP frame at byte " + here, width + "x" + height, coded.width + "x" + coded.height);
        }
        return new Frame(left, top, width, height, coded.lossless, coded.at, coded.bytes);
      }
      inner += 8 + length + (length & 1);
    }
    throw source.bad("WebP frame at byte " + at, "a VP8 or VP8L chunk", "none");
  }

  private static Frame bitstream(Source source, int chunk, int size) {
    int at = chunk + 8;
    int width;
    int height;
    boolean lossless = source.has(chunk, "VP8L");
    if (lossless) {
      if (size < 5 || source.u8(at, "VP8L signature") != 0x2F) {
        throw source.bad("VP8L signature at byte " + at, "2f and a header", size + " bytes");
      }
      long bits = source.u32le(at + 1, "VP8L size");
      width = 1 + (int) (bits & 0x3FFF);
      height = 1 + (int) ((bits >> 14) & 0x3FFF);
      if (bits >> 29 != 0) {
        throw source.bad("VP8L version at byte " + (at + 4), 0, bits >> 29);
      }
    } else {
      // RFC 6386, section 9.1: three bytes of frame tag, the start code, then two sizes of 14 bits.
      if (size < 10
          || (source.u8(at, "VP8 frame tag") & 1) != 0
          || !source.has(at + 3, "\u009d\u0001*")) {
        throw source.bad("VP8 header at byte " + at, "a key frame", source.firstBytes());
      }
      width = source.u16le(at + 6, "VP8 width") & 0x3FFF;
      height = source.u16le(at + 8, "VP8 height") & 0x3FFF;
    }
    ImageDecoder.requireSides(source, "WebP", width, height);
    return new Frame(0, 0, width, height, lossless, at, size);
  }

  @Override
  public Picture decode() throws IOException {
    Picture picture = frame.lossless
        ? lossless()
        : Vp8Frame.decode(source, frame.at, frame.at + frame.bytes, frame.width, frame.height);
    // An animation starts from a clear canvas: black once alpha is dropped.
    return Frames.onCanvas(picture, width, height, frame.left, frame.top, 0);
  }

  /** TwelveMonkeys reads the chunk from a plain file of its own. */
  private Picture lossless() throws IOException {
    int padded = frame.bytes + (frame.bytes & 1);
    ByteBuffer file = ByteBuffer.allocate(20 + padded)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put("RIFF".getBytes(StandardCharsets.US_ASCII))
        .putInt(12 + padded)
        .put("WEBPVP8L".getBytes(StandardCharsets.US_ASCII))
        .putInt(frame.bytes)
        .put(source.array(), frame.at, frame.bytes);
    // Made directly: no scan of the class path for plugins.
    var reader = new WebPImageReaderSpi().createReaderInstance(null);
    return Samples.toRgb(PictureFile.readFirst(reader, file.array()));
  }
}
