package dev.fovea.model.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import dev.fovea.model.image.Annotate.Box;
import dev.fovea.model.image.Annotate.Line;
import dev.fovea.model.image.Annotate.Point;
import java.util.List;
import org.junit.jupiter.api.Test;

class AnnotateTest {

  private static final Picture GREY = grey(640, 480);

  private static Picture grey(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    java.util.Arrays.fill(rgb, (byte) 90);
    return new Picture(width, height, rgb);
  }

  private static Picture drawn(Picture on, List<? extends Annotate.Mark> marks, List<Line> lines) {
    return ImageDecoder.STANDARD.decode(Annotate.png(on, marks, lines), "drawn");
  }

  @Test
  void changesNothingWithoutMarksOrLines() {
    assertEquals(GREY, drawn(GREY, List.of(), List.of()));
  }

  @Test
  void drawsABoxOnItsEdgesOnly() {
    Picture out = drawn(GREY, List.of(new Box(100, 120, 300, 360)), List.of());
    assertEquals(640, out.width());
    assertEquals(480, out.height());
    assertEquals(0xE69F00, out.pixel(101, 240));
    assertEquals(0xE69F00, out.pixel(200, 121));
    assertEquals(0x5A5A5A, out.pixel(200, 240));
    assertEquals(0x5A5A5A, out.pixel(500, 240));
  }

  @Test
  void addsAStripThatGrowsWithTheText() {
    int one = drawn(GREY, List.of(), List.of(new Line(0, "a cat"))).height();
    int many = drawn(GREY, List.of(), List.of(new Line(0, "a cat ".repeat(60)))).height();
    int most =
        drawn(GREY, List.of(), List.of(new Line(0, "a cat ".repeat(6000)))).height();
    assertTrue(480 < one && one < many && many < most && most < 960, one + " " + many + " " + most);
  }

  @Test
  void enlargesSmallPicturesByWholePixels() {
    Picture out = drawn(grey(112, 112), List.of(new Point(56, 56)), List.of());
    assertEquals(448, out.width());
    assertEquals(0xE69F00, out.pixel(224, 224));
  }

  @Test
  void drawsWhatSticksOutAtTheEdge() {
    Picture out = drawn(
        GREY,
        List.of(new Box(-50, -50, 9000, 9000), new Point(-4, 700)),
        List.of(new Line(2, "out")));
    assertEquals(0xE69F00, out.pixel(1, 240));
    assertNotEquals(0x5A5A5A, out.pixel(1, 478));
  }

  @Test
  void survivesTheSmallestPictureAndTheLongestWord() {
    Picture out =
        drawn(grey(1, 1), List.of(new Box(0, 0, 1, 1)), List.of(new Line(1, "w".repeat(500))));
    assertEquals(448, out.width());
    Picture thin = drawn(grey(2, 900), List.of(), List.of(new Line(0, "a long answer")));
    assertEquals(2, thin.width());
  }

  @Test
  void refusesCoordinatesThatAreNoNumbers() {
    assertThrows(
        InputException.class,
        () -> Annotate.png(GREY, List.of(new Box(0, 0, Double.NaN, 4)), List.of()));
  }
}
