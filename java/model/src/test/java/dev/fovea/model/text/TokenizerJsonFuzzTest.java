package dev.fovea.model.text;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.error.FileException;
import java.nio.file.Path;

/** Whatever bytes a {@code tokenizer.json} holds, reading it works or ends in a {@link FileException}, and what was read can be used. */
class TokenizerJsonFuzzTest {
  private static final Path FILE = Path.of("fuzz");

  @FuzzTest(maxDuration = "20s")
  void readsOrRefuses(byte[] bytes) {
    try {
      TokenizerModelFuzzTest.use(
          TokenizerJson.parse(FILE, bytes, new TokenizerFiles.Settings(FILE)));
    } catch (FileException refused) {
      // as it should be
    }
  }
}
