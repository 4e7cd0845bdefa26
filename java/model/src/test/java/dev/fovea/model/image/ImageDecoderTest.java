package dev.fovea.model.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class ImageDecoderTest {

  static List<JsonNode> exact() {
    return Goldens.list("exact");
  }

  static List<JsonNode> close() {
    return Goldens.list("close");
  }

  static List<JsonNode> upright() {
    return Goldens.list("upright");
  }

  @ParameterizedTest
  @MethodSource("exact")
  void equalsPillowBitForBit(JsonNode golden) {
    Picture picture = Goldens.decode(golden.path("file").asString());
    assertEquals(golden.path("size").get(0).asInt(), picture.width());
    assertEquals(golden.path("size").get(1).asInt(), picture.height());
    assertEquals(golden.path("sha256").asString(), Goldens.sha256(picture));
  }

  /** JPEG decoders may differ by the inverse transform's rounding, two steps once turned into RGB. */
  @ParameterizedTest
  @MethodSource("close")
  void isCloseToPillowWhereDecodersMayDiffer(JsonNode golden) {
    String file = golden.path("file").asString();
    Picture picture = Goldens.decode(file);
    Picture truth = Goldens.decode("truth/" + file + ".png");
    assertEquals(truth.width(), picture.width());
    assertEquals(truth.height(), picture.height());
    int worst = 0;
    for (int i = 0; i < truth.rgb().length; i++) {
      int difference = Math.abs((truth.rgb()[i] & 0xFF) - (picture.rgb()[i] & 0xFF));
      worst = Math.max(worst, difference);
    }
    assertTrue(worst <= 2, file + ": worst difference " + worst);
  }

  @ParameterizedTest
  @MethodSource("upright")
  void turnsUprightOnlyWhenAsked(JsonNode golden) {
    String file = golden.path("file").asString();
    Picture turned =
        ImageDecoder.STANDARD.withExifOrientation(true).decode(Goldens.bytes(file), file);
    assertEquals(golden.path("size").get(0).asInt(), turned.width());
    assertEquals(golden.path("size").get(1).asInt(), turned.height());
    assertEquals(golden.path("sha256").asString(), Goldens.sha256(turned));
  }

  @Test
  void turnsAJpegUpright() {
    Picture lying = Goldens.decode("orientation6.jpg");
    Picture upright = ImageDecoder.STANDARD
        .withExifOrientation(true)
        .decode(Goldens.bytes("orientation6.jpg"), "orientation6.jpg");
    assertEquals(lying.width(), upright.height());
    assertEquals(lying.pixel(0, lying.height() - 1), upright.pixel(0, 0));
    assertEquals(lying.pixel(0, 0), upright.pixel(upright.width() - 1, 0));
  }

  @Test
  void keepsTheHighByteOf16BitGrey() {
    Picture picture = Goldens.decode("grey16.png");
    assertEquals(11, picture.width());
    int distinct =
        (int) IntStream.range(0, 11).map(x -> picture.pixel(x, 4)).distinct().count();
    assertTrue(distinct > 5, "clipped to " + distinct + " values");
  }

  @Test
  void readsAFileWhateverItsNameEndsIn(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("picture.txt");
    Files.write(file, Goldens.bytes("rgb.png"));
    assertEquals(Goldens.decode("rgb.png"), ImageDecoder.STANDARD.decode(file));
  }

  @Test
  void namesAMissingFile(@TempDir Path folder) {
    Path file = folder.resolve("none.png");
    var e = assertThrows(FileException.class, () -> ImageDecoder.STANDARD.decode(file));
    assertEquals(file + ": no such file", e.getMessage());
  }

  @Test
  void refusesAFolder(@TempDir Path folder) {
    var e = assertThrows(FileException.class, () -> ImageDecoder.STANDARD.decode(folder));
    assertTrue(
        String.valueOf(e.getMessage()).startsWith(folder + ": cannot be read"), e.getMessage());
  }

  @Test
  void checksEachLimitBeforeDecoding() {
    byte[] png = Goldens.bytes("rgb.png");
    var pixels = new ImageDecoder(23 * 17 - 1, 100, 10_000, false);
    var side = new ImageDecoder(1_000_000, 22, 10_000, false);
    var bytes = new ImageDecoder(1_000_000, 100, png.length - 1, false);
    assertEquals(
        "p: picture size: expected at most 390 pixels, found 23x17 = 391",
        assertThrows(FileException.class, () -> pixels.decode(png, "p")).getMessage());
    assertEquals(
        "p: picture size: expected sides of at most 22, found 23x17",
        assertThrows(FileException.class, () -> side.decode(png, "p")).getMessage());
    assertEquals(
        "p: file size: expected at most " + (png.length - 1) + " bytes, found more",
        assertThrows(FileException.class, () -> bytes.decode(png, "p")).getMessage());
    assertThrows(InputException.class, () -> new ImageDecoder(0, 1, 1, false));
    assertThrows(InputException.class, () -> new ImageDecoder(1, 0, 1, false));
    assertThrows(InputException.class, () -> new ImageDecoder(1, 1, 0, false));
  }
}
