package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.backend.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Exact figures: whoever changes one sees it in the diff. */
class PlansTest {
  private static final Path ROOT = Path.of(System.getProperty("fovea.root", "."));
  private static final Path DEMO = ROOT.resolve("models/demo");

  @Test
  void kernelsTrafficMemoryAndPlansAreTheCommittedOnes() throws IOException {
    Map<String, String> now = Plans.of(DEMO);
    assertTrue(now.containsKey("cpu-scalar.txt"), now.keySet().toString());
    for (Map.Entry<String, String> e : now.entrySet()) {
      Path file = ROOT.resolve("bench/plans").resolve(e.getKey());
      assertTrue(Files.exists(file), file + " is missing: " + Plans.COMMAND + " writes it");
      assertEquals(
          Files.readString(file),
          e.getValue(),
          file + " is not what this build plans. If that is meant, write it anew: "
              + Plans.COMMAND);
    }
  }

  /** Contexts, arenas, caches: whatever an open model takes beyond the heap is given back. */
  @Test
  void closingLeavesNoNativeObject() {
    for (String name : new String[] {"cpu", "cuda-emulated"}) {
      Backend backend = Backend.named(name);
      long before = backend.live().orElseThrow();
      FoveaOptions options = FoveaOptions.builder().backend(name).context(256).build();
      try (Fovea fovea = Fovea.open(DEMO, options)) {
        long open = backend.live().orElseThrow();
        assertTrue(open > before, name + ": " + open + " live while open, " + before + " before");
        if (name.equals("cpu")) { // the emulator takes a minute for an answer
          try (var session = fovea.session()) {
            assertTrue(session
                    .ask(Question.of("What is this?"), Generation.DEFAULT.withMaxTokens(4))
                    .tokens()
                    .size()
                > 0);
          }
        }
      }
      assertEquals(before, backend.live().orElseThrow(), name);
    }
  }
}
