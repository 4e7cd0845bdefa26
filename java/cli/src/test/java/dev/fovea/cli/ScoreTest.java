package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ScoreTest {

  @Test
  void wholeWordsInTheirCase() {
    assertTrue(Score.holds("rabbit", "A rabbit."));
    assertTrue(Score.holds("grapes", "Grapes."));
    assertTrue(Score.holds("STOP", "The word \"STOP\"."));
    assertTrue(Score.holds("42", "42"));
    assertFalse(Score.holds("cat", "A caterpillar."));
    assertFalse(Score.holds("stop", "STOP"));
    assertFalse(Score.holds("STOP", "stop"));
  }

  @Test
  void yesAndNo() {
    assertEquals(true, Score.yes("Yes, there is no doubt."));
    assertEquals(false, Score.yes("no."));
    assertNull(Score.yes("Perhaps."));
  }

  @Test
  void overlapOfBoxes() {
    List<Double> a = List.of(0.0, 0.0, 2.0, 2.0);
    assertEquals(1, Score.overlap(a, a));
    assertEquals(1 / 7.0, Score.overlap(a, List.of(1.0, 1.0, 3.0, 3.0)), 1e-12);
    assertEquals(0, Score.overlap(a, List.of(2.0, 0.0, 3.0, 2.0)));
  }

  @Test
  void noiseStaysWithinItsScaleAndThePicture() {
    long seed = 5;
    SplittableRandom random = new SplittableRandom(seed);
    Region.Box box = new Region.Box(20, 30, 60, 50, Units.PIXEL);
    double widest = 0;
    for (int i = 0; i < 2000; i++) {
      Region.Box off = Score.disturbed(box, 0.3, 100, 60, random);
      String where = "seed " + seed + ", draw " + i + ": " + off;
      assertTrue(off.x1() >= 0 && off.y1() >= 0 && off.x2() <= 100 && off.y2() <= 60, where);
      double centre = (off.x1() + off.x2()) / 2;
      double size = off.x2() - off.x1();
      assertTrue(Math.abs(centre - 40) <= 0.3 * 40 + 1e-9, where);
      assertTrue(size >= 0.7 * 40 - 1e-9 && size <= 1.3 * 40 + 1e-9, where);
      widest = Math.max(widest, size);
    }
    assertTrue(widest > 1.25 * 40, "the noise reaches its scale");
    assertEquals(box, Score.disturbed(box, 0, 100, 60, random));
  }
}
