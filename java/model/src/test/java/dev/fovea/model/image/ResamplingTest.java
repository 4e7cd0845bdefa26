package dev.fovea.model.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fovea.error.InputException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class ResamplingTest {

  static List<JsonNode> resizes() {
    return Goldens.list("resizes");
  }

  @ParameterizedTest
  @MethodSource("resizes")
  void equalsPillow(JsonNode golden) {
    Picture from = Goldens.pattern(
        golden.path("from").get(0).asInt(), golden.path("from").get(1).asInt());
    Picture to = Resampled.bicubic(
        from, golden.path("to").get(0).asInt(), golden.path("to").get(1).asInt());
    assertEquals(golden.path("sha256").asString(), Goldens.sha256(to));
  }

  @Test
  void shrinksAsWrittenDown() {
    int[] expected = {
      19, 65, 32, 81, 142, 41, 149, 125, 54, 211, 135, 71, 37, 151, 43, 99, 120, 101, 167, 138, 159,
      234, 124, 165, 55, 164, 53, 117, 145, 167, 191, 100, 144, 165, 177, 105
    };
    byte[] found = Resampled.bicubic(Goldens.pattern(7, 5), 4, 3).rgb();
    int[] unsigned = new int[found.length];
    for (int i = 0; i < found.length; i++) {
      unsigned[i] = found[i] & 0xFF;
    }
    assertArrayEquals(expected, unsigned);
  }

  @Test
  void sameSizeIsTheSamePicture() {
    Picture picture = Goldens.pattern(31, 18);
    assertEquals(picture, Resampled.bicubic(picture, 31, 18));
  }

  @Test
  void aWindowIsACutOfTheWhole() {
    for (long seed = 1; seed <= 60; seed++) {
      var random = new Random(seed);
      Picture picture = Goldens.pattern(1 + random.nextInt(60), 1 + random.nextInt(60));
      int w = 1 + random.nextInt(80);
      int h = 1 + random.nextInt(80);
      int left = random.nextInt(w);
      int top = random.nextInt(h);
      var window = new Resampling.Window(
          left, top, 1 + random.nextInt(w - left), 1 + random.nextInt(h - top));
      Picture whole = Resampled.bicubic(picture, w, h);
      Picture part = Resampled.bicubic(Resampling.Sheet.of(picture), w, h, window);
      for (int y = 0; y < part.height(); y++) {
        for (int x = 0; x < part.width(); x++) {
          assertEquals(whole.pixel(left + x, top + y), part.pixel(x, y), "seed " + seed);
        }
      }
    }
  }

  @Test
  void aSheetIsThePictureOnPaddingThatWasNeverStored() {
    for (long seed = 1; seed <= 60; seed++) {
      var random = new Random(seed);
      Picture picture = Goldens.pattern(1 + random.nextInt(40), 1 + random.nextInt(40));
      int left = random.nextInt(30);
      int top = random.nextInt(30);
      int w = left + picture.width() + random.nextInt(30);
      int h = top + picture.height() + random.nextInt(30);
      int color = random.nextInt(1 << 24);
      Picture stored = Frames.onCanvas(picture, w, h, left, top, color);
      int nw = 1 + random.nextInt(50);
      int nh = 1 + random.nextInt(50);
      assertEquals(
          Resampled.bicubic(stored, nw, nh),
          Resampled.bicubic(
              new Resampling.Sheet(picture, w, h, left, top, color),
              nw,
              nh,
              new Resampling.Window(0, 0, nw, nh)),
          "seed " + seed);
    }
  }

  @Test
  void oneColourStaysThatColour() {
    for (long seed = 1; seed <= 60; seed++) {
      var random = new Random(seed);
      int color = random.nextInt(1 << 24);
      var dot =
          new Picture(1, 1, new byte[] {(byte) (color >> 16), (byte) (color >> 8), (byte) color});
      Picture big = Resampled.bicubic(dot, 1 + random.nextInt(300), 1 + random.nextInt(300));
      Picture back = Resampled.bicubic(big, 1 + random.nextInt(300), 1 + random.nextInt(300));
      for (int i = 0; i < back.width(); i++) {
        assertEquals(color, back.pixel(i, i % back.height()), "seed " + seed);
      }
    }
  }

  @Test
  void refusesSizesAndWindowsThatAreNone() {
    Picture picture = Goldens.pattern(4, 4);
    assertThrows(InputException.class, () -> Resampled.bicubic(picture, 0, 4));
    assertThrows(InputException.class, () -> Resampled.bicubic(picture, 4, -1));
    var outside = new Resampling.Window(3, 0, 2, 4);
    assertThrows(
        InputException.class, () -> Resampled.bicubic(Resampling.Sheet.of(picture), 4, 4, outside));
    assertThrows(InputException.class, () -> new Resampling.Sheet(picture, 5, 5, 2, 0, 0));
  }
}
