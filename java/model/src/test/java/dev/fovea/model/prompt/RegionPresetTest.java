package dev.fovea.model.prompt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import dev.fovea.model.text.Tokenizer;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RegionPresetTest {
  private static final ImageFrame SQUARE = ImageFrame.resize(1000, 1000);

  private static Region.Box pixels(double x1, double y1, double x2, double y2) {
    return new Region.Box(x1, y1, x2, y2, Units.PIXEL);
  }

  private static String show(RegionPreset preset, String question, Region... regions) {
    return Segment.show(preset.refer(question, List.of(regions), SQUARE).segments());
  }

  @Test
  void textOfEveryPreset() {
    Region box = pixels(123.4, 340, 560, 780.6);
    Region point = new Region.Point(500, 250, Units.PIXEL);
    assertEquals("<box>0.12, 0.34, 0.56, 0.78</box>", RegionPreset.CHATSPOT.write(box, SQUARE));
    assertEquals("<box>0.50, 0.25</box>", RegionPreset.CHATSPOT.write(point, SQUARE));
    assertEquals(
        "<point>0.5, 0.3</point>",
        RegionPreset.CHATSPOT
            .withPointWrapper("<point>", "</point>")
            .withDecimals(1)
            .write(point, SQUARE));
    assertEquals("[0.12, 0.34, 0.56, 0.78]", RegionPreset.LLAVA15.write(box, SQUARE));
    assertEquals("[0.123,0.340,0.560,0.781]", RegionPreset.SHIKRA.write(box, SQUARE));
    assertEquals("[0.500,0.250]", RegionPreset.SHIKRA.write(point, SQUARE));
    assertEquals("[123, 340, 560, 780]", RegionPreset.MMGPT.write(box, SQUARE));
    assertEquals(
        "[001, 012, 099, 1000]", RegionPreset.MMGPT.write(pixels(1, 12.9, 99, 1000), SQUARE));
    assertEquals(
        "<box>0.00, 0.00, 1.00, 0.00, 0.50, 1.00</box>",
        RegionPreset.CHATSPOT.write(Region.Polygon.of(Units.RELATIVE, 0, 0, 1, 0, 0.5, 1), SQUARE));
    assertEquals(
        "<box>0.1, 0.2</box>",
        RegionPreset.CHATSPOT
            .withDecimals(1)
            .write(new Region.Point(100, 200, Units.PIXEL), SQUARE));
  }

  @Test
  void halvesRoundUpAsDecimalsDo() {
    // 0.285 is a little less in binary, and 1.005 as well; what the user wrote decides.
    assertEquals(
        "<box>0.29, 0.01, 0.35, 0.13</box>",
        RegionPreset.CHATSPOT.write(
            new Region.Box(0.285, 0.005, 0.345, 0.125, Units.RELATIVE), SQUARE));
    // 5/8 and 1/8 of the width are exact halves at two decimals.
    assertEquals(
        "<box>0.13, 0.00, 0.63, 1.00</box>",
        RegionPreset.CHATSPOT.write(pixels(1, 0, 5, 8), ImageFrame.resize(8, 8)));
    // 1/3 is not.
    assertEquals(
        "<box>0.33, 0.67</box>",
        RegionPreset.CHATSPOT.write(new Region.Point(1, 2, Units.PIXEL), ImageFrame.resize(3, 3)));
  }

  @Test
  void placeOfRegionsInTheQuestion() {
    Region a = pixels(0, 0, 100, 100);
    Region b = pixels(500, 500, 1000, 1000);
    Region p = new Region.Point(10, 20, Units.PIXEL);
    String boxA = "<box>0.00, 0.00, 0.10, 0.10</box>";
    String boxB = "<box>0.50, 0.50, 1.00, 1.00</box>";
    assertEquals("What? " + boxA, show(RegionPreset.CHATSPOT, "What?", a));
    assertEquals("What? " + boxA + " " + boxB, show(RegionPreset.CHATSPOT, "What? ", a, b));
    assertEquals(
        "Is " + boxB + " like " + boxA + "?",
        show(RegionPreset.CHATSPOT, "Is {region2} like {region1}?", a, b));
    assertEquals(
        "x [0.000,0.000,0.100,0.100;0.500,0.500,1.000,1.000]",
        show(RegionPreset.SHIKRA, "x", a, b));
    assertEquals("x [0.000,0.000,0.100,0.100] [0.010,0.020]", show(RegionPreset.SHIKRA, "x", a, p));
    assertEquals(
        "x [000, 000, 100, 100] [500, 500, 1000, 1000]", show(RegionPreset.MMGPT, "x", a, b));
    assertEquals("What can you see in this region? " + boxA, show(RegionPreset.CHATSPOT, " ", a));
    assertEquals(
        "Please provide a short description for this region: [0.00, 0.00, 0.10, 0.10].",
        show(RegionPreset.LLAVA15, "", a));
    assertEquals("no region", show(RegionPreset.CHATSPOT, "no region"));
    assertEquals("", show(RegionPreset.CHATSPOT, ""));
    assertThrows(InputException.class, () -> show(RegionPreset.CHATSPOT, "{region2}", a));
    assertThrows(InputException.class, () -> show(RegionPreset.CHATSPOT, "{region1}"));
    assertThrows(InputException.class, () -> show(RegionPreset.CHATSPOT, "{region1}", a, b));
    assertThrows(InputException.class, () -> show(RegionPreset.CHATSPOT, "{region0} {region1}", a));
  }

  @Test
  void wrapperBecomesATokenWhereTheVocabularyHasOne() {
    Tokenizer tokenizer = Tokenizer.llama().withAdded(false, "<box>", "</box>");
    List<Segment> segments = RegionPreset.CHATSPOT
        .refer("<box> of what?", List.of(pixels(0, 0, 100, 100)), SQUARE)
        .segments();
    int[] ids = new PromptEncoder(tokenizer, PromptEncoder.ImageStyle.PIECEWISE)
        .encode(segments)
        .ids();
    assertEquals(1, java.util.Arrays.stream(ids).filter(id -> id == 32000).count());
    assertEquals(1, java.util.Arrays.stream(ids).filter(id -> id == 32001).count());
  }

  @Test
  void regionsOutsideThePicture() {
    ImageFrame frame = ImageFrame.resize(100, 50);
    for (Region outside : List.of(
        pixels(100, 0, 120, 10),
        pixels(-20, 0, 0, 10),
        pixels(0, 51, 10, 60),
        new Region.Point(101, 10, Units.PIXEL),
        new Region.Point(0.5, -0.01, Units.RELATIVE),
        Region.Polygon.of(Units.PIXEL, 0, 60, 10, 60, 10, 70))) {
      InputException e = assertThrows(
          InputException.class,
          () -> RegionPreset.CHATSPOT.write(outside, frame),
          outside.toString());
      assertTrue(String.valueOf(e.getMessage()).contains("100 x 50"), e.getMessage());
    }
    RegionPreset.Referred partly =
        RegionPreset.CHATSPOT.refer("q", List.of(pixels(-5, 0, 50, 25), pixels(1, 1, 2, 2)), frame);
    assertEquals(1, partly.warnings().size());
    assertTrue(
        partly.warnings().getFirst().startsWith("region 1 (box) reaches outside the 100 x 50"));
    assertEquals(
        "q <box>0.00, 0.00, 0.50, 0.50</box> <box>0.01, 0.02, 0.02, 0.04</box>",
        Segment.show(partly.segments()));
    assertEquals(
        "<box>1.00, 1.00</box>",
        RegionPreset.CHATSPOT.write(new Region.Point(100, 50, Units.PIXEL), frame));
  }

  @Test
  void regionsOutsideTheCrop() {
    // 640 x 427 becomes 335 x 224 and loses 55 columns on the left and 56 on the right.
    ImageFrame crop = ImageFrame.centreCrop(640, 427, 224, 224);
    assertEquals(0, crop.x().relative(55.0 * 640 / 335), 1e-12);
    assertEquals(1, crop.x().relative(279.0 * 640 / 335), 1e-12);
    assertThrows(
        InputException.class, () -> RegionPreset.CHATSPOT.write(pixels(0, 0, 100, 100), crop));
    assertThrows(
        InputException.class,
        () -> RegionPreset.CHATSPOT.write(new Region.Point(639, 5, Units.PIXEL), crop));
    RegionPreset.Referred partly =
        RegionPreset.CHATSPOT.refer("q", List.of(pixels(0, 0, 320, 427)), crop);
    assertEquals(1, partly.warnings().size());
    assertTrue(
        partly.warnings().getFirst().contains("centre square"),
        partly.warnings().getFirst());
    assertEquals("q <box>0.00, 0.00, 0.50, 1.00</box>", Segment.show(partly.segments()));
    assertEquals(
        List.of(),
        RegionPreset.CHATSPOT
            .refer("q", List.of(pixels(200, 0, 320, 427)), crop)
            .warnings());
  }

  @Test
  void malformedRegions() {
    assertThrows(InputException.class, () -> pixels(5, 0, 5, 1));
    assertThrows(InputException.class, () -> pixels(0, 2, 5, 1));
    assertThrows(InputException.class, () -> pixels(Double.NaN, 0, 5, 1));
    assertThrows(InputException.class, () -> pixels(0, 0, Double.POSITIVE_INFINITY, 1));
    assertThrows(
        InputException.class, () -> new Region.Point(0, Double.NEGATIVE_INFINITY, Units.PIXEL));
    assertThrows(InputException.class, () -> Region.Polygon.of(Units.PIXEL, 0, 0, 1, 1));
    assertThrows(InputException.class, () -> Region.Polygon.of(Units.PIXEL, 0, 0, 1, 1, 2));
    assertThrows(InputException.class, () -> ImageFrame.resize(0, 5));
    assertThrows(InputException.class, () -> ImageFrame.centreCrop(5, 5, 224, 225));
    assertThrows(InputException.class, () -> RegionPreset.named("qwen"));
    assertEquals(pixels(1, 2, 4, 6), Region.Box.ofSize(1, 2, 3, 4, Units.PIXEL));
    // Absurd but finite numbers neither hang nor overflow.
    assertThrows(
        InputException.class,
        () -> RegionPreset.CHATSPOT.write(pixels(1e300, 0, 1e308, 1), SQUARE));
    assertEquals(
        "<box>0.00, 0.00, 1.00, 1.00</box>",
        RegionPreset.CHATSPOT.write(pixels(-1e300, 1e-300, 1e300, 1e300), SQUARE));
  }

  @Test
  void formulasOfTheFrames() {
    assertEquals(0.25, ImageFrame.resize(640, 427).x().relative(160), 0);
    assertEquals((100 + 106) / 640.0, ImageFrame.padCentred(640, 427).y().relative(100), 1e-15);
    assertEquals(100 / 640.0, ImageFrame.padTopLeft(640, 427).y().relative(100), 1e-15);
    assertEquals(100 / 640.0, ImageFrame.padCentred(640, 427).x().relative(100), 1e-15);
    // CLIP on a 7 x 5 picture at 3: 4 x 3, of which column 0 is kept to 2 (nothing cut: (4 - 3) / 2
    // = 0).
    assertEquals(0, ImageFrame.centreCrop(7, 5, 3, 3).x().relative(0), 0);
    assertEquals(4 / 3.0, ImageFrame.centreCrop(7, 5, 3, 3).x().relative(7), 1e-15);
  }

  @Test
  void pixelToTextToPixelStaysWithinOneQuantum() {
    for (int seed = 0; seed < 3_000; seed++) {
      Random random = new Random(seed);
      int w = 1 + random.nextInt(random.nextBoolean() ? 40 : 6000);
      int h = 1 + random.nextInt(random.nextBoolean() ? 40 : 6000);
      ImageFrame frame = switch (random.nextInt(4)) {
        case 0 -> ImageFrame.resize(w, h);
        case 1 -> ImageFrame.padCentred(w, h);
        case 2 -> ImageFrame.padTopLeft(w, h);
        default -> ImageFrame.centreCrop(w, h, 336, random.nextBoolean() ? 336 : 224);
      };
      RegionPreset preset = List.copyOf(RegionPreset.PRESETS.values()).get(random.nextInt(4));
      preset = random.nextBoolean() || preset.factor() == 1000
          ? preset
          : preset.withDecimals(1 + random.nextInt(4));
      double stepX = preset.quantum() * frame.x().side() / frame.x().scale();
      double stepY = preset.quantum() * frame.y().side() / frame.y().scale();
      // A point and a box inside both the picture and the view.
      double x1 = Math.max(0, frame.x().pixel(0));
      double x2 = Math.min(w, frame.x().pixel(1));
      double y1 = Math.max(0, frame.y().pixel(0));
      double y2 = Math.min(h, frame.y().pixel(1));
      double px = x1 + (x2 - x1) * random.nextDouble();
      double py = y1 + (y2 - y1) * random.nextDouble();
      String where = "seed " + seed + ", " + preset.name() + ", " + frame;
      String text = "at " + preset.write(new Region.Point(px, py, Units.PIXEL), frame) + ".";
      List<AnswerRegions.Found> found = AnswerRegions.parse(text, preset, frame);
      assertEquals(1, found.size(), where + ": " + text);
      Region.Point point = assertInstanceOf(Region.Point.class, found.getFirst().region(), where);
      assertEquals(px, point.x(), stepX * 1.000001, where);
      assertEquals(py, point.y(), stepY * 1.000001, where);
      assertEquals(text.length() - 1, found.getFirst().end());

      double qx = x1 + (px - x1) * random.nextDouble();
      double qy = y1 + (py - y1) * random.nextDouble();
      if (px - qx > 1.01 * stepX && py - qy > 1.01 * stepY) {
        Region written = new Region.Box(qx / w, qy / h, px / w, py / h, Units.RELATIVE);
        String boxText = preset.write(written, frame);
        Region.Box box = assertInstanceOf(
            Region.Box.class,
            AnswerRegions.parse(boxText, preset, frame).getFirst().region(),
            where);
        assertEquals(qx, box.x1(), stepX * 1.000001, where + boxText);
        assertEquals(qy, box.y1(), stepY * 1.000001, where + boxText);
        assertEquals(px, box.x2(), stepX * 1.000001, where + boxText);
        assertEquals(py, box.y2(), stepY * 1.000001, where + boxText);
      }
    }
  }

  @Test
  void answersOfAllKinds() {
    assertEquals(List.of(pixels(100, 200, 300, 400)), parse("It is at [0.1, 0.2, 0.3, 0.4]."));
    assertEquals(List.of(pixels(100, 200, 300, 400)), parse("<box>0.1,0.2 , 0.3,.4</box>"));
    assertEquals(List.of(pixels(100, 200, 300, 400)), parse("<box>[0.1, 0.2, 0.3, 0.4]</box>"));
    assertEquals(List.of(pixels(100, 200, 300, 400)), parse("[100, 200, 300, 400]"));
    assertEquals(List.of(pixels(100, 200, 300, 400)), parse("[[100, 200, 300, 400]]"));
    assertEquals(
        List.of(pixels(100, 200, 300, 400)), parse("[0.3, 0.4, 0.1, 0.2]"), "corners swapped");
    assertEquals(
        List.of(pixels(100, 200, 300, 400), pixels(0, 0, 1000, 500)),
        parse("a [0.100,0.200,0.300,0.400;0,0,1,0.5]"));
    assertEquals(
        List.of(new Region.Point(500, 250, Units.PIXEL), pixels(0, 0, 1000, 1000)),
        parse("<point>0.5, 0.25</point> and [0, 0, 1, 1]"));
    assertEquals(
        List.of(Region.Polygon.of(Units.PIXEL, 0, 0, 1000, 0, 500, 1000)),
        parse("<box>0, 0, 1, 0, 0.5, 1</box>"));
    for (String other : List.of(
        "",
        "[",
        "[]",
        "[1]",
        "[citation]",
        "[0.1, 0.2, 0.3]",
        "[12, 3400, 5, 6]",
        "see [3, 2001]",
        "<box></box>",
        "<box>a</box>",
        "[0.1, 0.2, 0.1, 0.2]",
        "[-, -]",
        "[1.2.3, 4]",
        "[0.5, 0.5",
        "[;;]",
        "[9999999999999, 0]",
        "[-0.5, 0.5]",
        "array[0], b[1,]")) {
      assertEquals(List.of(), parse(other), other);
    }
    AnswerRegions.Found found =
        AnswerRegions.parse("x [0.1, 0.2] y", RegionPreset.LLAVA15, SQUARE).getFirst();
    assertEquals("[0.1, 0.2]", "x [0.1, 0.2] y".substring(found.start(), found.end()));
    // In a padded frame, what lies in the padding is cut at the picture's edge.
    assertEquals(
        pixels(0, 0, 640, 427),
        AnswerRegions.parse(
                "[0.00, 0.00, 1.00, 1.00]", RegionPreset.LLAVA15, ImageFrame.padCentred(640, 427))
            .getFirst()
            .region());
  }

  @Test
  void hostileAnswersTakeLinearTime() {
    for (String unit :
        List.of("[", "<box>", "[0.1,", "[0.1, 0.2]", "<box>[", "0,", ";", "[0,0;", "<box>0,0,")) {
      String text = unit.repeat(1_000_000 / unit.length());
      List<AnswerRegions.Found> found = assertTimeout(
          Duration.ofSeconds(2),
          () -> AnswerRegions.parse(text, RegionPreset.LLAVA15, SQUARE),
          unit);
      assertTrue(found.size() <= 256, unit);
    }
    String open = "[" + "0,".repeat(400_000) + "0]";
    assertEquals(List.of(), parse(open));
  }

  private static List<Region> parse(String answer) {
    return AnswerRegions.parse(answer, RegionPreset.LLAVA15, SQUARE).stream()
        .map(AnswerRegions.Found::region)
        .toList();
  }
}
