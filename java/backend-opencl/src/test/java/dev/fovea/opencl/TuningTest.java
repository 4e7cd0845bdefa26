package dev.fovea.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TuningTest {
  private static final Found DEVICE = Found.choose(Found.all(), null);

  @TempDir
  Path folder = Path.of("");

  private int measured;

  private Tuning tuning() {
    return Tuning.of(DEVICE, folder.resolve("deep").resolve("of.tuning"), () -> {
      measured++;
      return new Tuning(8 * measured, 64);
    });
  }

  @AfterEach
  void forget() {
    System.clearProperty(Tuning.PROPERTY);
  }

  /** A file that holds something else, or only a part, counts as none. */
  @Test
  void measuresOnceAndAgainWhereTheFileIsDamaged() throws IOException {
    assertEquals(new Tuning(8, 64), tuning());
    assertEquals(new Tuning(8, 64), tuning());
    assertEquals(1, measured);
    Path file = folder.resolve("deep").resolve("of.tuning");
    for (String damaged : new String[] {"", "8x", "0x64", "8x64x2", "-8x64", "88888888888x1"}) {
      Files.writeString(file, damaged);
      int before = measured;
      assertEquals(new Tuning(8 * (before + 1), 64), tuning(), damaged);
      assertEquals(before + 1, measured, damaged);
    }
  }

  @Test
  void aPropertyTakesThePlaceOfAllThat() {
    System.setProperty(Tuning.PROPERTY, "4x128");
    assertEquals(new Tuning(4, 128), tuning());
    assertEquals(0, measured);
    System.setProperty(Tuning.PROPERTY, "large");
    InputException e = assertThrows(InputException.class, this::tuning);
    assertTrue(String.valueOf(e.getMessage()).contains("'large'"), e.getMessage());
  }

  @Test
  void aDeviceIsTunedToGroupsThatItCanRun() {
    long before = Cl.live();
    try (OpenClDevice device = new OpenClDevice(DEVICE)) {
      Tuning tuning = new Probe(device, DEVICE).tune();
      assertTrue(tuning.items() >= 1 && tuning.items() <= 64, tuning.toString());
      assertEquals(32 * DEVICE.units(), tuning.groups());
    }
    assertEquals(before, Cl.live());
  }
}
