package dev.fovea.model.text;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.error.FileException;
import java.nio.file.Path;

/** Whatever bytes a {@code tokenizer.model} holds, reading it works or ends in a {@link FileException}, and what was read can be used. */
class TokenizerModelFuzzTest {
  private static final Path FILE = Path.of("fuzz");

  @FuzzTest(maxDuration = "20s")
  void readsOrRefuses(byte[] bytes) {
    try {
      use(Tokenizer.of(FILE, SentencePieceModel.parse(FILE, bytes)));
    } catch (FileException refused) {
      // as it should be
    }
  }

  static void use(Tokenizer tokenizer) {
    tokenizer.decode(tokenizer.encodeText("a <unk> ab\u00e9\u4e48"));
    tokenizer.decode(tokenizer.encodeTemplate("</s>a b"));
    if (tokenizer.size() < 1000) {
      SentencePieceModel.write(tokenizer.data());
    }
  }
}
