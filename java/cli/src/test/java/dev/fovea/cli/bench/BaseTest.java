package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BaseTest {
  @TempDir
  Path folder = Path.of("");

  @Test
  void theFastestRunOfEachTestCounts() {
    String lines = """
        {"test":"pp64","samples_ns":[3,1,2]}
        building
        {"test":"img","samples_ns":[5,7],"newer":{"than":"base"}}
        {"test":"rss"}
        """;
    assertEquals(Map.of("pp64", 1.0, "img", 5.0), Base.fastest(lines));
  }

  @Test
  void runsACheckoutsOwnBench() throws IOException {
    script("echo '{\"test\":\"'\"$1 $2 $3\"'\",\"samples_ns\":[42]}'");
    assertEquals(
        Map.of("bench -n 8", 42.0), Base.side(folder, List.of("-n", "8")).measure());
  }

  @Test
  void saysWhyABaseCannot() throws IOException {
    script("echo 'fovea: unknown flag' >&2; exit 2");
    InputException e =
        assertThrows(InputException.class, () -> Base.side(folder, List.of()).measure());
    assertTrue(String.valueOf(e.getMessage()).endsWith("ended with 2: fovea: unknown flag"));
  }

  @Test
  void refusesWhatIsNoCommit() throws IOException {
    assertThrows(InputException.class, () -> Base.commit(folder, "no-such-commit"));
  }

  private void script(String body) throws IOException {
    Path file = folder.resolve("fovea");
    Files.writeString(file, "#!/bin/sh\n" + body + "\n");
    assertTrue(file.toFile().setExecutable(true));
  }
}
