package dev.fovea.model.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** A small vocabulary as sentencepiece's trainer and transformers write it, fields this project does not use included. */
class TrainedTokenizerTest {
  private static final Golden GOLDEN = Golden.read("small/small.bin");
  private static final List<String> CONTROL = List.of("<s>", "</s>", "<unk>", "<pad>");
  private static final List<String> USER_DEFINED = List.of("<box>", "</box>");

  private static Path resource(String name) {
    try {
      return Path.of(Objects.requireNonNull(TrainedTokenizerTest.class.getResource(name), name)
          .toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static Tokenizer model(String name) {
    Path file = resource(name);
    return Tokenizer.of(file, SentencePieceModel.read(file));
  }

  private static void sentencePiece(Tokenizer tokenizer, int encoding) {
    int plain = 0;
    int marked = 0;
    for (int i = 0; i < GOLDEN.count; i++) {
      String text = TestStrings.string(4, i);
      assertEquals(GOLDEN.textHash[i], TestStrings.hash(text), "generator differs at " + i);
      if (CONTROL.stream().anyMatch(text::contains)) {
        continue; // sentencepiece itself parses no control tokens
      }
      int[] ids = tokenizer.encodeTemplate(text);
      if (i < GOLDEN.full) {
        assertArrayEquals(GOLDEN.ids[i][encoding], ids, "string " + i + ": " + text);
      }
      assertEquals(GOLDEN.idsHash[i][encoding], TestStrings.hash(ids), "string " + i + ": " + text);
      if (USER_DEFINED.stream().anyMatch(text::contains)) {
        marked++;
        for (int id : tokenizer.encodeText(text)) {
          assertFalse(id == 4 || id == 5, "typed: " + text);
        }
      } else {
        plain++;
        assertArrayEquals(ids, tokenizer.encodeText(text), "string " + i + ": " + text);
      }
    }
    assertTrue(plain > 700 && marked > 20, plain + " plain, " + marked + " marked");
  }

  @Test
  void trainedModel() {
    Tokenizer tokenizer = model("small/kept.model");
    assertEquals(700, tokenizer.size());
    assertEquals(3, tokenizer.pad());
    assertEquals(PieceType.USER_DEFINED, tokenizer.type(4));
    sentencePiece(tokenizer, 0);
  }

  @Test
  void trainedModelThatRemovesExtraSpaces() {
    sentencePiece(model("small/squeezed.model"), 1);
  }

  @Test
  void directoriesOfTransformers() {
    for (int encoding = 2; encoding < GOLDEN.encodings; encoding++) {
      Tokenizer tokenizer = Tokenizer.open(resource(encoding == 2 ? "small/legacy" : "small/new"));
      assertEquals(701, tokenizer.size());
      assertEquals(
          List.of(1, 2, 0, 3),
          List.of(tokenizer.bos(), tokenizer.eos(), tokenizer.unk(), tokenizer.pad()));
      assertEquals(700, tokenizer.requireAdded("<image>"));
      assertFalse(tokenizer.addBos());
      for (int i = 0; i < GOLDEN.count; i++) {
        String text = TestStrings.string(4, i);
        int[] ids = tokenizer.encodeTemplate(text);
        if (i < GOLDEN.full) {
          assertArrayEquals(GOLDEN.ids[i][encoding], ids, "string " + i + ": " + text);
        }
        assertEquals(
            GOLDEN.idsHash[i][encoding], TestStrings.hash(ids), "string " + i + ": " + text);
      }
    }
  }

  @Test
  void writtenModelGivesTheSameIds() {
    Tokenizer tokenizer = model("small/kept.model");
    Path file = Path.of("written");
    Tokenizer again = Tokenizer.of(
        file, SentencePieceModel.parse(file, SentencePieceModel.write(tokenizer.data())));
    for (int i = 0; i < GOLDEN.count; i++) {
      String text = TestStrings.string(4, i);
      assertArrayEquals(
          tokenizer.encodeTemplate(text), again.encodeTemplate(text), "string " + i + ": " + text);
    }
  }

  @Test
  void decodingEqualsSentencePiece() {
    Golden golden = Golden.read("decode.bin");
    assertEquals(2_000, golden.count);
    for (int i = 0; i < golden.count; i++) {
      int[] ids = TestStrings.ids(1, i);
      assertEquals(golden.idsHash[i][0], TestStrings.hash(ids), "generator differs at " + i);
      assertEquals(
          golden.textHash[i], TestStrings.hash(Tokenizer.llama().decode(ids)), "sequence " + i);
    }
  }

  @Test
  void aModelIsNotAJson() {
    assertThrows(
        FileException.class,
        () -> TokenizerJson.read(
            resource("small/kept.model"), new TokenizerFiles.Settings(Path.of(""))));
    assertThrows(
        FileException.class, () -> SentencePieceModel.read(resource("small/new/tokenizer.json")));
  }
}
