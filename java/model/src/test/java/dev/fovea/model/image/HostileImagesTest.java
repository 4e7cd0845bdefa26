package dev.fovea.model.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that are broken or lie. Each is refused in one line, soon, and without memory for what it merely claims. */
class HostileImagesTest {

  /** What a refusal may allocate: far less than the pixels any of these files claims. */
  private static final long MAX_BYTES = 32L << 20;

  private static String refusal(byte[] file) {
    return assertTimeoutPreemptively(Duration.ofSeconds(10), () -> {
      var e =
          assertThrows(FileException.class, () -> ImageDecoder.STANDARD.decode(file, "hostile"));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith("hostile: "), message);
      assertFalse(message.contains("\n"), message);
      return message;
    });
  }

  private static String cheapRefusal(byte[] file) {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    var e = assertThrows(FileException.class, () -> ImageDecoder.STANDARD.decode(file, "hostile"));
    long used = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(used < MAX_BYTES, "allocated " + used + " bytes");
    return String.valueOf(e.getMessage());
  }

  @Test
  void refusesNothing() {
    assertEquals(
        "hostile: empty file, expected a JPEG, PNG, WebP, BMP or GIF picture",
        refusal(new byte[0]));
  }

  static List<Arguments> otherFormats() {
    return List.of(
        Arguments.of("II*\0........", "TIFF"),
        Arguments.of("MM\0*........", "TIFF"),
        Arguments.of("\0\0\0\u0018ftypheic....", "HEIC"),
        Arguments.of("\0\0\0\u0018ftypmif1....", "HEIC"),
        Arguments.of("\0\0\0\u0018ftypavif....", "AVIF"),
        Arguments.of("\0\0\0\u0018ftypisom....", "an MP4-family file"),
        Arguments.of("<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        Arguments.of("\0\0\0\fJXL \r\n....", "JPEG XL"),
        Arguments.of("%PDF-1.7", "PDF"));
  }

  @ParameterizedTest
  @MethodSource("otherFormats")
  void namesFormatsItDoesNotRead(String start, String format) {
    assertEquals(
        "hostile: " + format + " is not read; expected a JPEG, PNG, WebP, BMP or GIF picture",
        refusal(start.getBytes(StandardCharsets.ISO_8859_1)));
  }

  @Test
  void showsTheFirstBytesOfWhatIsNoPicture() {
    assertEquals(
        "hostile: not a picture: expected JPEG, PNG, WebP, BMP or GIF, found 68 65 6c 6c 6f 0a \"hello.\"",
        refusal("hello\n".getBytes(StandardCharsets.UTF_8)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "rgb.png",
        "palette.png",
        "rgb.bmp",
        "palette.bmp",
        "still.gif",
        "interlaced.gif",
        "lossless.webp",
        "lossy.webp",
        "lossy-partitions.webp",
        "animated.webp",
        "baseline.jpg",
        "progressive.jpg"
      })
  void refusesEveryTruncation(String name) {
    byte[] whole = Goldens.bytes(name);
    // PNG's end chunk carries nothing, and the terminator of a GIF is beyond its only frame.
    int needed = name.endsWith(".png")
        ? whole.length - 12
        : name.endsWith(".gif") ? whole.length - 1 : whole.length;
    int step = Math.max(1, needed / 150);
    for (int length = 0; length < needed; length += step) {
      refusal(Arrays.copyOf(whole, length));
    }
    refusal(Arrays.copyOf(whole, needed - 1));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"rgb.png", "rgb.bmp", "still.gif", "lossless.webp", "lossy.webp", "baseline.jpg"})
  void survivesFlippedBytes(String name) {
    byte[] whole = Goldens.bytes(name);
    for (long seed = 1; seed <= 150; seed++) {
      var random = new Random(seed);
      byte[] damaged = whole.clone();
      for (int i = 0; i < 1 + seed % 4; i++) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
      }
      assertTimeoutPreemptively(
          Duration.ofSeconds(10),
          () -> {
            try {
              ImageDecoder.STANDARD.decode(damaged, "hostile");
            } catch (FileException e) {
              assertTrue(String.valueOf(e.getMessage()).startsWith("hostile: "), e.getMessage());
            }
          },
          "seed " + seed);
    }
  }

  @Test
  void refusesRandomBytesBehindEachMagic() {
    String[] magics = {
      "\u0089PNG\r\n\u001a\n\0\0\0\rIHDR",
      "\u00ff\u00d8\u00ff",
      "GIF89a",
      "BM",
      "RIFF\u00f0\u0003\0\0WEBPVP8 ",
      "RIFF\u00f0\u0003\0\0WEBPVP8L"
    };
    for (String magic : magics) {
      for (long seed = 1; seed <= 40; seed++) {
        byte[] file = new byte[1024];
        new Random(seed).nextBytes(file);
        byte[] start = magic.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(start, 0, file, 0, start.length);
        refusal(file);
      }
    }
  }

  @Test
  void refusesPngsThatClaimTooMuch() {
    assertEquals(
        "hostile: picture size: expected sides of at most 32768, found 60000x60000",
        cheapRefusal(png(60_000, 60_000, 8, 2, new byte[100])));
    assertEquals(
        "hostile: picture size: expected at most 64000000 pixels, found 30000x30000 = 900000000",
        cheapRefusal(png(30_000, 30_000, 8, 2, new byte[100])));
    assertEquals(
        "hostile: PNG size: expected positive sides, found 0x4",
        cheapRefusal(png(0, 4, 8, 2, new byte[100])));
    assertEquals(
        "hostile: PNG size: expected positive sides, found 4294967295x4",
        cheapRefusal(png(-1, 4, 8, 2, new byte[100])));
  }

  @Test
  void refusesAPngBombWithoutInflatingIt() {
    // 900 MB of zeros in about 900 kB.
    assertTrue(cheapRefusal(png(30_000, 10_000, 8, 2, new byte[900_000]))
        .startsWith("hostile: picture size"));
  }

  @Test
  void inflatesNoMoreThanTheRowsOfASmallPng() {
    // 8 by 8 pixels followed by 64 MB of zeros in the same stream.
    byte[] file = png(8, 8, 8, 0, new byte[64 << 20]);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    Picture picture = ImageDecoder.STANDARD.decode(file, "hostile");
    long used = threads.getCurrentThreadAllocatedBytes() - before;
    assertEquals(8, picture.width());
    assertTrue(used < MAX_BYTES, "allocated " + used + " bytes");
  }

  @Test
  void refusesPngsOfTheWrongBuild() {
    assertEquals(
        "hostile: PNG IHDR: expected a bit depth and colour type of the standard, found 7 and 2",
        refusal(png(8, 8, 7, 2, new byte[200])));
    assertEquals(
        "hostile: PNG palette: expected a PLTE chunk for colour type 3, found none",
        refusal(png(8, 8, 8, 3, new byte[200])));
    assertTrue(refusal(png(8, 8, 8, 2, new byte[20])).startsWith("hostile: damaged pixel data ("));
    byte[] wrongSum = Goldens.bytes("rgb.png");
    wrongSum[30] ^= 1;
    assertTrue(
        refusal(wrongSum).startsWith("hostile: PNG checksum of the chunk at byte 8: expected"));
  }

  @Test
  void refusesJpegsThatLie() {
    byte[] huge = Goldens.bytes("baseline.jpg");
    int frame = find(huge, 0xFF, 0xC0);
    ByteBuffer.wrap(huge).putShort(frame + 5, (short) 65_500).putShort(frame + 7, (short) 65_500);
    assertEquals(
        "hostile: picture size: expected sides of at most 32768, found 65500x65500",
        cheapRefusal(huge));
    ByteBuffer.wrap(huge).putShort(frame + 5, (short) 0);
    assertEquals("hostile: JPEG size: expected positive sides, found 65500x0", cheapRefusal(huge));
    // A few hundred bytes of data for 25 megapixels.
    ByteBuffer.wrap(huge).putShort(frame + 5, (short) 5000).putShort(frame + 7, (short) 5000);
    assertTrue(refusal(huge).startsWith("hostile: JPEG pixel data"), refusal(huge));
    byte[] arithmetic = Goldens.bytes("baseline.jpg");
    arithmetic[frame + 1] = (byte) 0xC9;
    assertEquals(
        "hostile: arithmetic-coded JPEG is not read; expected baseline or progressive",
        refusal(arithmetic));
    byte[] deep = Goldens.bytes("baseline.jpg");
    deep[frame + 4] = 12;
    assertTrue(refusal(deep).contains("expected 8 bits, found 12"));
  }

  @Test
  void refusesAJpegOfEndlessScans() {
    byte[] whole = Goldens.bytes("progressive.jpg");
    int scan = find(whole, 0xFF, 0xDA);
    int next = find(Arrays.copyOfRange(whole, scan + 2, whole.length), 0xFF, 0xDA) + scan + 2;
    var out = new ByteArrayOutputStream();
    out.write(whole, 0, scan);
    for (int i = 0; i < 2000; i++) {
      out.write(whole, scan, next - scan);
    }
    out.write(whole, next, whole.length - next);
    assertEquals(
        "hostile: JPEG scans: expected at most 100, found more", refusal(out.toByteArray()));
  }

  @Test
  void refusesGifsThatLie() {
    byte[] gif = Goldens.bytes("still.gif");
    ByteBuffer header = ByteBuffer.wrap(gif).order(ByteOrder.LITTLE_ENDIAN);
    header.putShort(6, (short) 65_535).putShort(8, (short) 65_535);
    assertTrue(cheapRefusal(gif).startsWith("hostile: picture size: expected sides of at most"));
    int frame = find(gif, 0x2C, 0);
    gif = Goldens.bytes("still.gif");
    ByteBuffer.wrap(gif).order(ByteOrder.LITTLE_ENDIAN).putShort(frame + 1, (short) 65_000);
    assertTrue(cheapRefusal(gif).startsWith("hostile: picture size: expected sides of at most"));
    gif = Goldens.bytes("still.gif");
    ByteBuffer.wrap(gif).order(ByteOrder.LITTLE_ENDIAN).putShort(frame + 5, (short) 0);
    assertEquals("hostile: GIF frame size: expected positive sides, found 0x17", refusal(gif));
    byte[] empty = Arrays.copyOf(Goldens.bytes("still.gif"), frame + 1);
    empty[frame] = 0x3B;
    assertTrue(refusal(empty).contains("the end: no image in the file"));
  }

  @Test
  void refusesWebpsThatLie() {
    byte[] webp = Goldens.bytes("lossless.webp");
    ByteBuffer.wrap(webp).order(ByteOrder.LITTLE_ENDIAN).putInt(16, Integer.MAX_VALUE);
    assertTrue(refusal(webp).startsWith("hostile: WebP chunk size at byte 16: expected at most"));
    webp = Goldens.bytes("lossless.webp");
    ByteBuffer.wrap(webp).order(ByteOrder.LITTLE_ENDIAN).putInt(4, -1);
    assertTrue(refusal(webp).startsWith("hostile: WebP container at byte 8: expected 4294967295"));
    webp = Goldens.bytes("lossless.webp");
    ByteBuffer.wrap(webp).order(ByteOrder.LITTLE_ENDIAN).putInt(21, 0x0FFF_FFFF);
    assertTrue(cheapRefusal(webp).startsWith("hostile: picture size: expected at most 64000000"));
    webp = Goldens.bytes("lossy.webp");
    webp[22] = -1; // the frame tag's upper bits: how long the first partition is
    assertTrue(refusal(webp).startsWith("hostile: VP8 first partition at byte 30: expected 5"));
    webp = Goldens.bytes("lossy-partitions.webp");
    int first = ((webp[20] & 0xFF) | (webp[21] & 0xFF) << 8 | (webp[22] & 0xFF) << 16) >> 5;
    webp[30 + first + 2] = 1;
    assertTrue(refusal(webp).startsWith("hostile: VP8 partition 1 at byte "));
    webp = Goldens.bytes("animated.webp");
    int canvas = 12 + 8 + 4;
    webp[canvas] = 3;
    assertTrue(refusal(webp).startsWith("hostile: WebP frame: expected inside the canvas of 4x"));
  }

  @Test
  void refusesBmpsThatLie() {
    byte[] bmp = Goldens.bytes("rgb.bmp");
    ByteBuffer fields = ByteBuffer.wrap(bmp).order(ByteOrder.LITTLE_ENDIAN);
    fields.putInt(18, 60_000).putInt(22, 60_000);
    assertTrue(
        cheapRefusal(bmp).startsWith("hostile: BMP pixels at byte 54: expected 10800000000 bytes"));
    fields.putInt(18, 0);
    assertEquals("hostile: BMP size: expected positive sides, found 0x60000", cheapRefusal(bmp));
    fields.putInt(18, -5);
    assertEquals("hostile: BMP size: expected positive sides, found -5x60000", cheapRefusal(bmp));
    fields.putInt(18, 23).putInt(22, 17).putInt(10, 0);
    assertEquals(
        "hostile: BMP pixel offset at byte 10: expected at least 54, found 0", cheapRefusal(bmp));
    fields.putInt(10, 54).putInt(30, 4);
    assertTrue(cheapRefusal(bmp).endsWith("found 24 bits with compression 4"));
    bmp = Goldens.bytes("palette.bmp");
    ByteBuffer.wrap(bmp).order(ByteOrder.LITTLE_ENDIAN).putInt(46, Integer.MAX_VALUE);
    assertEquals(
        "hostile: BMP colours used at byte 46: expected at most 256, found 2147483647",
        cheapRefusal(bmp));
    // Run-length data has no size of its own: the header's claim is checked against the limits.
    bmp = Goldens.bytes("palette.bmp");
    ByteBuffer.wrap(bmp)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(30, 1)
        .putInt(18, 60_000)
        .putInt(22, 60_000);
    assertTrue(cheapRefusal(bmp).startsWith("hostile: picture size"));
  }

  private static int find(byte[] in, int first, int second) {
    for (int i = 0; i + 1 < in.length; i++) {
      if ((in[i] & 0xFF) == first && (in[i + 1] & 0xFF) == second) {
        return i;
      }
    }
    throw new IllegalStateException("not there");
  }

  /** A PNG whose rows are the given bytes, filter bytes included. */
  private static byte[] png(int width, int height, int depth, int color, byte[] rows) {
    var out = new ByteArrayOutputStream();
    out.writeBytes("\u0089PNG\r\n\u001a\n".getBytes(StandardCharsets.ISO_8859_1));
    chunk(
        out,
        "IHDR",
        ByteBuffer.allocate(13)
            .putInt(width)
            .putInt(height)
            .put((byte) depth)
            .put((byte) color)
            .array());
    var packed = new ByteArrayOutputStream();
    try (var deflater = new Deflater()) {
      deflater.setInput(rows);
      deflater.finish();
      byte[] buffer = new byte[1 << 16];
      while (!deflater.finished()) {
        packed.write(buffer, 0, deflater.deflate(buffer));
      }
    }
    chunk(out, "IDAT", packed.toByteArray());
    chunk(out, "IEND", new byte[0]);
    return out.toByteArray();
  }

  private static void chunk(ByteArrayOutputStream out, String kind, byte[] data) {
    byte[] name = kind.getBytes(StandardCharsets.ISO_8859_1);
    var crc = new CRC32();
    crc.update(name);
    crc.update(data);
    out.writeBytes(ByteBuffer.allocate(4).putInt(data.length).array());
    out.writeBytes(name);
    out.writeBytes(data);
    out.writeBytes(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
  }
}
