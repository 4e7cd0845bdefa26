package dev.fovea.model.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerTest {
  private static final Path FILE = Path.of("test");
  private static final String PREPEND =
      "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},"
          + "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]}";

  private static final Tokenizer LLAMA = Tokenizer.llama();

  private static String metaspace(String scheme, boolean split) {
    return "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"" + scheme
        + "\",\"split\":" + split + "}";
  }

  private static Tokenizer json(String normalizer, String preTokenizer) {
    byte[] bytes = LlamaJson.JSON.writeValueAsBytes(
        LlamaJson.tree(normalizer, preTokenizer, normalizer.equals("null")));
    return TokenizerJson.parse(FILE, bytes, new TokenizerFiles.Settings(FILE));
  }

  @Test
  void llamaVocabulary() {
    assertEquals(32000, LLAMA.size());
    assertEquals(List.of(1, 2, 0, -1), List.of(LLAMA.bos(), LLAMA.eos(), LLAMA.unk(), LLAMA.pad()));
    assertTrue(LLAMA.addBos());
    assertEquals("<0x0A>", LLAMA.piece(13));
    assertEquals(PieceType.BYTE, LLAMA.type(13));
    assertEquals("\u2581the", LLAMA.piece(278));
    assertThrows(InputException.class, () -> LLAMA.piece(32000));
  }

  @Test
  void goldensOfTheSpecification() {
    assertArrayEquals(new int[] {15043, 3186}, LLAMA.encodeText("Hello world"));
    assertArrayEquals(new int[] {29871, 13}, LLAMA.encodeText("\n"));
    assertArrayEquals(new int[] {529, 1884, 29958}, LLAMA.encodeText("<box>"));
    assertArrayEquals(new int[] {835}, LLAMA.encodeText("###"));
    assertArrayEquals(
        new int[] {29871, 30810, 30392, 231, 190, 131, 31882, 30882}, LLAMA.encodeText("这是什么？"));
    assertArrayEquals(new int[] {2, 3148, 1001, 29901}, LLAMA.encodeTemplate("</s>USER:"));
    Tokenizer notLegacy = Tokenizer.of(FILE, LLAMA.data().withLegacy(false));
    assertArrayEquals(new int[] {2, 11889, 29901}, notLegacy.encodeTemplate("</s>USER:"));
    assertArrayEquals(new int[] {3148, 1001, 29901}, notLegacy.encodeTemplate("USER:"));
  }

  @Test
  void idsOfSentencePieceForTenThousandStrings() {
    Golden golden = Golden.read("sentencepiece.bin");
    assertEquals(10_000, golden.count);
    for (int i = 0; i < golden.count; i++) {
      String text = TestStrings.string(1, i);
      assertEquals(golden.textHash[i], TestStrings.hash(text), "generator differs at " + i);
      int[] ids = LLAMA.encodeText(text);
      if (i < golden.full) {
        assertArrayEquals(golden.ids[i][0], ids, "string " + i + ": " + text);
      }
      assertEquals(golden.idsHash[i][0], TestStrings.hash(ids), "string " + i + ": " + text);
    }
  }

  @Test
  void idsOfHuggingFaceTokenizersWithAddedTokens() {
    Golden golden = Golden.read("tokenizers.bin");
    assertEquals(3_000, golden.count);
    List<Tokenizer> configurations = List.of(
        json(PREPEND, "null"),
        json("null", metaspace("first", false)),
        json("null", metaspace("always", false)),
        json("null", metaspace("never", false)),
        json("null", metaspace("always", true)));
    assertEquals(configurations.size(), golden.encodings);
    for (int i = 0; i < golden.count; i++) {
      String text = TestStrings.string(2, i);
      assertEquals(golden.textHash[i], TestStrings.hash(text), "generator differs at " + i);
      for (int c = 0; c < golden.encodings; c++) {
        int[] ids = configurations.get(c).encodeTemplate(text);
        if (i < golden.full) {
          assertArrayEquals(
              golden.ids[i][c], ids, "string " + i + ", configuration " + c + ": " + text);
        }
        assertEquals(
            golden.idsHash[i][c],
            TestStrings.hash(ids),
            "string " + i + ", configuration " + c + ": " + text);
      }
    }
  }

  @Test
  void ranksAndScoresGiveTheSameIds() {
    Tokenizer ranked = json(PREPEND, "null");
    Tokenizer exported = Tokenizer.of(FILE, ranked.data());
    for (int i = 0; i < 2_000; i++) {
      String text = TestStrings.string(3, i);
      int[] expected = LLAMA.encodeText(text);
      assertArrayEquals(expected, ranked.encodeText(text), "ranked, string " + i + ": " + text);
      assertArrayEquals(expected, exported.encodeText(text), "exported, string " + i + ": " + text);
    }
  }

  @Test
  void decodingGivesTheTextBack() {
    for (int i = 0; i < 4_000; i++) {
      String text = TestStrings.string(4, i).replace('\u2581', ' ');
      assertEquals(text, LLAMA.decode(LLAMA.encodeText(text)), "string " + i);
    }
    assertEquals("", LLAMA.decode());
    assertEquals(" two  spaces ", LLAMA.decode(LLAMA.encodeText(" two  spaces ")));
  }

  @Test
  void streamedPartsJoinToTheWholeAndHoldNoHalfCharacters() {
    for (int seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      int[] ids = new int[random.nextInt(60)];
      for (int i = 0; i < ids.length; i++) {
        // mostly bytes, so that sequences break in every way; some pieces, control tokens and ids
        // beyond the vocabulary
        ids[i] = random.nextInt(4) > 0 ? 3 + random.nextInt(256) : random.nextInt(32100);
      }
      Detokenizer detokenizer = LLAMA.detokenizer();
      StringBuilder joined = new StringBuilder();
      for (int id : ids) {
        String part = detokenizer.append(id);
        assertEquals(
            part,
            new String(part.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8),
            "seed " + seed);
        joined.append(part);
      }
      joined.append(detokenizer.finish());
      assertEquals(LLAMA.decode(ids), joined.toString(), "seed " + seed);
    }
  }

  @Test
  void bytesDecodeAsSentencePieceDecodesThem() {
    // sentencepiece 0.2.2, decode([231, 190, 131]), decode([231, 190]), decode([231, 190, 15043]) …
    assertEquals("\u4ec0", LLAMA.decode(231, 190, 131));
    assertEquals("\ufffd\ufffd", LLAMA.decode(231, 190));
    assertEquals("\ufffd\ufffd Hello", LLAMA.decode(231, 190, 15043));
    assertEquals("\ufffd\ufffd\ufffd", LLAMA.decode(231, 1, 190, 131));
    assertEquals("\n Hello", LLAMA.decode(13, 15043));
    assertEquals(" Hello", LLAMA.decode(1, 29871, 15043));
    assertEquals("A", LLAMA.decode(68));
    assertEquals("\ufffdA", LLAMA.decode(231, 68));
    assertEquals("\ufffd\ufffd\ufffd", LLAMA.decode(3 + 0xED, 3 + 0xA0, 3 + 0x80));
    assertEquals("\ufffd\ufffd", LLAMA.decode(3 + 0xC0, 3 + 0x80));
    assertEquals("\ufffd\ufffd\ufffd\ufffd", LLAMA.decode(3 + 0xF4, 3 + 0x90, 3 + 0x80, 3 + 0x80));
    assertEquals("\ud83d\ude00", LLAMA.decode(3 + 0xF0, 3 + 0x9F, 3 + 0x98, 3 + 0x80));
    assertThrows(InputException.class, () -> LLAMA.decode(-1));
  }

  @Test
  void decodingSkipsControlTokensAndIdsBeyondTheVocabulary() {
    assertEquals("Hello", LLAMA.decode(1, 15043, 2, 32040));
    assertEquals("", LLAMA.decode(1, 2, 0));
  }

  @Test
  void oneUnfinishedCharacterWaits() {
    Detokenizer detokenizer = LLAMA.detokenizer();
    assertEquals("Hello", detokenizer.append(15043));
    assertEquals("", detokenizer.append(231));
    assertEquals("", detokenizer.append(190));
    assertEquals("\u4ec0", detokenizer.append(131));
    assertEquals("", detokenizer.append(231));
    assertEquals("\ufffd", detokenizer.finish());
  }

  @Test
  void nobodyCanTypeASpecialToken() {
    Tokenizer tokenizer = LLAMA.withAdded(true, "<image>", "<im_start>");
    for (String text : List.of("</s>", "a</s>b<s>", "<image>", "<unk><im_start>", "x<image>")) {
      for (int id : tokenizer.encodeText(text)) {
        assertFalse(tokenizer.isSpecial(id), text + " gave " + id);
      }
      assertEquals(text, tokenizer.decode(tokenizer.encodeText(text)));
    }
    for (int i = 0; i < 2_000; i++) {
      String text = TestStrings.string(5, i);
      for (int id : tokenizer.encodeText(text)) {
        assertFalse(tokenizer.isSpecial(id), "string " + i + " gave " + id);
      }
    }
  }

  @Test
  void spansMergeAsOneTextButTokensStayInsideTemplates() {
    int[] joined = LLAMA.encodeText("Hello wor ld, it");
    assertArrayEquals(
        joined,
        LLAMA.encode(
            List.of(
                Span.template("Hel"), Span.user("lo wor"), Span.template(" ld, i"), Span.user("t")),
            Tokenizer.Position.START));
    // A token half of which the user typed is no token.
    int[] half =
        LLAMA.encode(List.of(Span.template("x</"), Span.user("s>")), Tokenizer.Position.START);
    assertArrayEquals(LLAMA.encodeText("x</s>"), half);
    int[] split =
        LLAMA.encode(List.of(Span.template("x</"), Span.template("s>")), Tokenizer.Position.START);
    assertArrayEquals(LLAMA.encodeTemplate("x</s>"), split);
    assertNotEquals(half.length, split.length);
    int[] mixed = LLAMA.encode(
        List.of(Span.user("</s>"), Span.template("</s>"), Span.user("</s>")),
        Tokenizer.Position.START);
    assertEquals(1, Arrays.stream(mixed).filter(id -> id == 2).count());
  }

  @Test
  void positionDecidesAboutTheSpaceInFront() {
    List<Span> user = List.of(Span.template("USER:"));
    assertArrayEquals(new int[] {3148, 1001, 29901}, LLAMA.encode(user, Tokenizer.Position.START));
    assertArrayEquals(
        new int[] {3148, 1001, 29901}, LLAMA.encode(user, Tokenizer.Position.AFTER_SPECIAL));
    assertArrayEquals(new int[] {11889, 29901}, LLAMA.encode(user, Tokenizer.Position.INSIDE));
    Tokenizer notLegacy = Tokenizer.of(FILE, LLAMA.data().withLegacy(false));
    assertArrayEquals(
        new int[] {11889, 29901}, notLegacy.encode(user, Tokenizer.Position.AFTER_SPECIAL));
  }

  @Test
  void loneSurrogatesAreReplaced() {
    assertArrayEquals(LLAMA.encodeText("a\ufffdb\ufffd"), LLAMA.encodeText("a\ud800b\udc00"));
    assertArrayEquals(LLAMA.encodeText("\ufffd"), LLAMA.encodeText("\ud83d"));
  }

  @Test
  void longRunsTakeNoQuadraticTime() {
    LLAMA.encodeText("warm up".repeat(1000));
    for (String unit : List.of("a", " ", "ab", "0", "\u4e48", "\ud83d\ude00", "the ")) {
      String text = unit.repeat(200_000 / unit.length());
      int[] ids = assertTimeout(Duration.ofSeconds(3), () -> LLAMA.encodeText(text), unit);
      assertEquals(text, LLAMA.decode(ids));
    }
  }

  @Test
  void addedTokensGetTheNextIds() {
    Tokenizer tokenizer = LLAMA.withAdded(true, "<im_patch>", "</s>", "<im_start>");
    assertEquals(32002, tokenizer.size());
    assertEquals(32000, tokenizer.requireAdded("<im_patch>"));
    assertEquals(32001, tokenizer.requireAdded("<im_start>"));
    assertEquals(2, Objects.requireNonNull(tokenizer.added("</s>")).id());
    assertArrayEquals(new int[] {263, 32001, 289}, tokenizer.encodeTemplate("a<im_start>b"));
    assertThrows(InputException.class, () -> LLAMA.requireAdded("<im_start>"));
    assertEquals(PieceType.CONTROL, tokenizer.data().types()[32001]);
    Tokenizer again = Tokenizer.of(FILE, tokenizer.data());
    assertArrayEquals(new int[] {263, 32001, 289}, again.encodeTemplate("a<im_start>b"));
  }

  @Test
  void modelFileIsWrittenAsItWasRead() throws IOException {
    byte[] original;
    try (var in =
        Objects.requireNonNull(Tokenizer.class.getResourceAsStream("llama/tokenizer.model"))) {
      original = in.readAllBytes();
    }
    assertArrayEquals(original, SentencePieceModel.write(LLAMA.data()));
  }

  @Test
  void modelDirectoryWithItsSettings(@TempDir Path dir) throws IOException {
    Files.write(dir.resolve("tokenizer.model"), SentencePieceModel.write(LLAMA.data()));
    assertArrayEquals(new int[] {2, 3148, 1001}, Tokenizer.open(dir).encodeTemplate("</s>USER"));
    Files.writeString(
        dir.resolve("tokenizer_config.json"),
        "{\"legacy\": false, \"add_bos_token\": false, \"pad_token\": \"<pad>\", \"bos_token\": {\"content\": \"<s>\"},"
            + "\"added_tokens_decoder\": {\"32000\": {\"content\": \"<image>\", \"special\": true, \"rstrip\": true}}}");
    Files.writeString(dir.resolve("added_tokens.json"), "{\"<pad>\": 32001, \"<box>\": 32005}");
    Files.writeString(
        dir.resolve("special_tokens_map.json"),
        "{\"pad_token\": \"<pad>\", \"unk_token\": \"<unk>\"}");
    Tokenizer tokenizer = Tokenizer.open(dir);
    assertEquals(32006, tokenizer.size());
    assertEquals(32001, tokenizer.pad());
    assertFalse(tokenizer.addBos());
    assertArrayEquals(new int[] {2, 11889}, tokenizer.encodeTemplate("</s>USER"));
    assertArrayEquals(new int[] {263, 32000, 29890}, tokenizer.encodeTemplate("a<image>  b"));
    assertTrue(tokenizer.isSpecial(32001));
    assertFalse(tokenizer.isSpecial(32005));
    assertEquals("<box>", tokenizer.decode(32005));
    assertEquals("", tokenizer.decode(32003));
    assertThrows(FileException.class, () -> Tokenizer.open(dir.resolve("none")));
  }

  @Test
  void jsonIsPreferredUnlessAskedOtherwise(@TempDir Path dir) throws IOException {
    Files.write(dir.resolve("tokenizer.model"), SentencePieceModel.write(LLAMA.data()));
    Files.write(
        dir.resolve("tokenizer.json"),
        LlamaJson.JSON.writeValueAsBytes(LlamaJson.tree("null", metaspace("first", false), true)));
    Files.writeString(dir.resolve("tokenizer_config.json"), "{\"legacy\": true}");
    assertArrayEquals(new int[] {2, 11889}, Tokenizer.open(dir).encodeTemplate("</s>USER"));
    assertArrayEquals(
        new int[] {2, 3148, 1001}, Tokenizer.openSlow(dir).encodeTemplate("</s>USER"));
  }

  @Test
  void smallVocabularies() {
    // No byte fallback: unknown characters fuse into one id. "b" has no piece of its own but merges
    // into "ab".
    Tokenizer tokenizer = Tokenizer.of(
        FILE,
        new TokenizerData(
            new String[] {"<unk>", "a", "ab", "\u2581", "abab"},
            new float[] {0, 0, -1, -3, -2},
            new PieceType[] {
              PieceType.UNKNOWN,
              PieceType.NORMAL,
              PieceType.NORMAL,
              PieceType.NORMAL,
              PieceType.NORMAL
            },
            -1,
            -1,
            0,
            -1,
            false,
            false,
            false,
            false,
            false,
            List.of()));
    assertArrayEquals(new int[] {2}, tokenizer.encodeText("ab"));
    assertArrayEquals(new int[] {4, 1, 0, 2}, tokenizer.encodeText("ababaxyzab"));
    assertArrayEquals(new int[] {0, 1}, tokenizer.encodeText("ba"));
    assertArrayEquals(new int[0], tokenizer.encodeText(""));
    assertFalse(tokenizer.addBos());
  }

  @Test
  void unusedPiecesSplitAgain() {
    Tokenizer tokenizer = Tokenizer.of(
        FILE,
        new TokenizerData(
            new String[] {"<unk>", "a", "b", "ab", "abc", "c"},
            new float[] {0, -9, -9, -1, -2, -9},
            new PieceType[] {
              PieceType.UNKNOWN,
              PieceType.NORMAL,
              PieceType.NORMAL,
              PieceType.UNUSED,
              PieceType.NORMAL,
              PieceType.NORMAL
            },
            -1,
            -1,
            0,
            -1,
            false,
            false,
            false,
            false,
            false,
            List.of()));
    assertArrayEquals(new int[] {4, 1, 2}, tokenizer.encodeText("abcab"));
  }

  @Test
  void extraWhitespaceIsRemovedWhereTheFileSaysSo() {
    TokenizerData d = LLAMA.data();
    Tokenizer tokenizer = Tokenizer.of(
        FILE,
        new TokenizerData(
            d.pieces(),
            d.scores(),
            d.types(),
            d.bos(),
            d.eos(),
            d.unk(),
            d.pad(),
            true,
            true,
            true,
            true,
            true,
            List.of()));
    assertArrayEquals(LLAMA.encodeText("a b\n c"), tokenizer.encodeText("  a   b\n c  "));
    assertArrayEquals(new int[0], tokenizer.encodeText("   "));
  }
}
