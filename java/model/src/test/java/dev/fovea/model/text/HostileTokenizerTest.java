package dev.fovea.model.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Files that are broken or lie are refused with the file, the field, what was expected and what was found. */
class HostileTokenizerTest {
  private static final Path FILE = Path.of("hostile");

  private static TokenizerData tiny() {
    return new TokenizerData(
        new String[] {"<unk>", "<s>", "</s>", "a", "b", "ab"},
        new float[] {0, 0, 0, -1, -2, -3},
        new PieceType[] {
          PieceType.UNKNOWN,
          PieceType.CONTROL,
          PieceType.CONTROL,
          PieceType.NORMAL,
          PieceType.NORMAL,
          PieceType.NORMAL
        },
        1,
        2,
        0,
        -1,
        true,
        true,
        true,
        false,
        false,
        List.of());
  }

  private static void refused(Runnable action, String... parts) {
    FileException e = assertThrows(FileException.class, action::run);
    String message = String.valueOf(e.getMessage());
    assertFalse(message.contains("\n"), message);
    for (String part : parts) {
      assertTrue(message.contains(part), message + " should contain " + part);
    }
  }

  // ---- tokenizer.model ----

  /** A message of varint, string and raw fields. */
  private static byte[] proto(Object... fields) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < fields.length; i += 2) {
      int field = (Integer) fields[i];
      switch (fields[i + 1]) {
        case Integer value -> {
          varint(out, (long) field << 3);
          varint(out, value);
        }
        case Float value -> {
          varint(out, (long) field << 3 | 5);
          int bits = Float.floatToRawIntBits(value);
          for (int shift = 0; shift < 32; shift += 8) {
            out.write(bits >>> shift);
          }
        }
        case String value -> {
          varint(out, (long) field << 3 | 2);
          varint(out, value.getBytes(StandardCharsets.UTF_8).length);
          out.writeBytes(value.getBytes(StandardCharsets.UTF_8));
        }
        case byte[] value -> {
          varint(out, (long) field << 3 | 2);
          varint(out, value.length);
          out.writeBytes(value);
        }
        default -> throw new IllegalArgumentException();
      }
    }
    return out.toByteArray();
  }

  private static void varint(ByteArrayOutputStream out, long value) {
    long rest = value;
    while ((rest & ~0x7fL) != 0) {
      out.write((int) ((rest & 0x7f) | 0x80));
      rest >>>= 7;
    }
    out.write((int) rest);
  }

  private static final byte[] PIECE_A = proto(1, "a", 2, -1f);
  private static final byte[] UNK = proto(1, "<unk>", 3, 2);
  private static final byte[] TRAINER = proto(3, 2, 40, 0, 41, -1, 42, -1);
  private static final byte[] NORMALIZER = proto(1, "identity", 3, 1, 4, 0, 5, 1);

  private static Tokenizer model(byte[] bytes) {
    return Tokenizer.of(FILE, SentencePieceModel.parse(FILE, bytes));
  }

  @Test
  void theSmallestModelIsFine() {
    Tokenizer tokenizer =
        model(proto(1, UNK, 1, PIECE_A, 2, TRAINER, 3, NORMALIZER, 99, 5, 4, "ignored"));
    assertEquals(2, tokenizer.size());
    assertFalse(tokenizer.addBos());
  }

  @Test
  void lyingModelFiles() {
    refused(() -> model(new byte[0]), "hostile", "pieces", "at least one", "0 bytes");
    refused(
        () -> model(new byte[] {0x0A, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, 0x0f}),
        "at byte 0",
        "at most 0",
        "4294967295");
    refused(
        () -> model(new byte[] {
          0x0A,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          (byte) 0xff,
          1
        }),
        "at byte 0");
    refused(() -> model(new byte[] {(byte) 0x80}), "more bytes");
    refused(() -> model(new byte[] {0x0B, 0, 0}), "wire type");
    refused(() -> model(new byte[] {0, 0}), "field number");
    refused(() -> model(new byte[] {0x08, 1}), "wire type 2", "wire type 0");
    byte[] eleven = new byte[12];
    Arrays.fill(eleven, (byte) 0x80);
    refused(() -> model(eleven), "varint");
    refused(() -> model(proto(1, proto(2, -1f), 2, TRAINER)), "pieces[0].piece", "nothing");
    refused(
        () -> model(proto(1, proto(1, new byte[] {(byte) 0xC0, (byte) 0x80}), 2, TRAINER)),
        "UTF-8");
    refused(
        () -> model(proto(1, UNK, 1, proto(1, "a", 2, Float.NaN), 2, TRAINER)),
        "pieces[1].score",
        "NaN");
    refused(
        () -> model(proto(1, UNK, 1, proto(1, "a", 2, Float.POSITIVE_INFINITY), 2, TRAINER)),
        "Infinity");
    refused(
        () -> model(proto(1, UNK, 1, proto(1, "a", 3, 7), 2, TRAINER)),
        "pieces[1].type",
        "1 to 6",
        "7");
    refused(
        () -> model(proto(1, UNK, 1, PIECE_A, 1, PIECE_A, 2, TRAINER)),
        "piece 2",
        "'a'",
        "like piece 1");
    refused(() -> model(proto(1, UNK, 1, PIECE_A)), "model_type", "2 (BPE)", "unigram");
    refused(() -> model(proto(1, UNK, 2, proto(3, 3))), "model_type", "word");
    refused(
        () -> model(proto(1, UNK, 2, proto(3, 2, 40, 5, 41, -1, 42, -1))),
        "unk_id",
        "below 1",
        "5");
    refused(
        () -> model(proto(1, UNK, 2, proto(3, 2, 35, 1, 41, -1, 42, -1))),
        "byte_fallback",
        "<0x00>",
        "none");
    refused(() -> model(proto(1, UNK, 2, proto(3, 2, 24, 1))), "treat_whitespace_as_suffix");
    refused(
        () -> model(proto(1, UNK, 2, TRAINER, 3, proto(1, "nmt_nfkc"))),
        "normalizer_spec.name",
        "identity",
        "nmt_nfkc");
    refused(
        () -> model(proto(1, UNK, 2, TRAINER, 3, proto(2, new byte[10]))),
        "precompiled_charsmap",
        "10 bytes");
    refused(
        () -> model(proto(1, UNK, 2, TRAINER, 5, proto(2, new byte[10]))),
        "denormalizer_spec.precompiled_charsmap");
    refused(() -> model(proto(1, UNK, 2, TRAINER, 3, proto(5, 0))), "escape_whitespaces");
    refused(
        () -> model(proto(1, UNK, 1, proto(1, "a".repeat(257)), 2, TRAINER)),
        "piece 1",
        "256",
        "257");
    refused(
        () -> model(proto(1, UNK, 1, proto(1, "<0xZZ>", 3, 6), 2, TRAINER)),
        "byte piece 1",
        "<0xZZ>");
  }

  @Test
  void everyTruncationOfARealModelIsRefusedOrSmaller() {
    byte[] whole = SentencePieceModel.write(Tokenizer.llama().data());
    Random random = new Random(1);
    for (int i = 0; i < 200; i++) {
      int length = i < 50 ? i : random.nextInt(whole.length);
      // Without the trainer_spec at its end, the file is not BPE.
      refused(() -> model(Arrays.copyOf(whole, length)), "hostile");
    }
  }

  @Test
  void tooManyPieces() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i <= Bounds.PIECES; i++) {
      out.writeBytes(proto(1, proto(1, "p" + i)));
    }
    refused(() -> SentencePieceModel.parse(FILE, out.toByteArray()), "at most 1048576 pieces");
  }

  @Test
  void tooLargeFilesAreNotRead(@TempDir Path dir) throws IOException {
    for (String name : List.of("tokenizer.model", "tokenizer.json")) {
      try (RandomAccessFile file = new RandomAccessFile(dir.resolve(name).toFile(), "rw")) {
        file.setLength(1L << 34); // sparse
      }
      refused(() -> Tokenizer.open(dir), name, "17179869184");
      Files.delete(dir.resolve(name));
    }
    refused(() -> Tokenizer.open(dir), "neither");
    Files.createDirectory(dir.resolve("tokenizer.json"));
    refused(() -> Tokenizer.open(dir), "regular file");
  }

  // ---- vocabularies ----

  @Test
  void contradictingVocabularies() {
    TokenizerData d = tiny();
    String[] empty = d.pieces().clone();
    empty[3] = "";
    refused(() -> of(empty, d.scores(), d.types(), 1, List.of()), "piece 3", "nothing");
    String[] half = d.pieces().clone();
    half[3] = "\ud800";
    refused(() -> of(half, d.scores(), d.types(), 1, List.of()), "piece 3", "Unicode");
    float[] nan = d.scores().clone();
    nan[4] = Float.NaN;
    refused(() -> of(d.pieces(), nan, d.types(), 1, List.of()), "score of piece 4", "NaN");
    refused(() -> of(d.pieces(), new float[5], d.types(), 1, List.of()), "6 each", "5 scores");
    refused(
        () -> of(new String[0], new float[0], new PieceType[0], 1, List.of()), "1 to 1048576", "0");
    refused(() -> of(d.pieces(), d.scores(), d.types(), 6, List.of()), "bos id", "below 6", "6");
    refused(() -> of(d.pieces(), d.scores(), d.types(), -2, List.of()), "bos id", "-2");
    for (AddedToken token : List.of(
        AddedToken.of(3, "x", true),
        AddedToken.of(7, "a", true),
        AddedToken.of(-1, "x", true),
        AddedToken.of(Integer.MAX_VALUE, "x", true),
        AddedToken.of(6, "", true),
        AddedToken.of(6, "x".repeat(300), true))) {
      refused(() -> of(d.pieces(), d.scores(), d.types(), 1, List.of(token)), "added token");
    }
    refused(
        () -> of(
            d.pieces(),
            d.scores(),
            d.types(),
            1,
            List.of(AddedToken.of(6, "x", true), AddedToken.of(6, "y", true))),
        "'y'",
        "like 'x'");
  }

  private static Tokenizer of(
      String[] pieces, float[] scores, PieceType[] types, int bos, List<AddedToken> added) {
    return Tokenizer.of(
        FILE,
        new TokenizerData(
            pieces, scores, types, bos, 2, 0, -1, true, true, true, false, false, added));
  }

  @Test
  void manyLongPiecesTakeBoundedTime() {
    // Every substring of a text: each piece splits at every place, the worst there is for working
    // out merges.
    String text = new Random(3)
        .ints(600, 'a', 'c')
        .collect(StringBuilder::new, (b, c) -> b.append((char) c), StringBuilder::append)
        .toString();
    String[] pieces = IntStream.range(0, text.length())
        .boxed()
        .flatMap(i -> IntStream.rangeClosed(i + 1, Math.min(text.length(), i + 120))
            .mapToObj(j -> text.substring(i, j)))
        .distinct()
        .toArray(String[]::new);
    PieceType[] types = new PieceType[pieces.length];
    Arrays.fill(types, PieceType.NORMAL);
    assertTimeout(Duration.ofSeconds(20), () -> {
      Tokenizer tokenizer = Tokenizer.of(
          FILE,
          new TokenizerData(
              pieces,
              new float[pieces.length],
              types,
              -1,
              -1,
              -1,
              -1,
              false,
              false,
              true,
              false,
              false,
              List.of()));
      assertEquals(text, tokenizer.decode(tokenizer.encodeText(text)));
    });
  }

  // ---- tokenizer.json ----

  private static ObjectNode tinyJson() {
    ObjectNode root = LlamaJson.JSON.createObjectNode();
    ArrayNode added = root.putArray("added_tokens");
    added.addObject().put("id", 0).put("content", "<unk>").put("special", true);
    root.set(
        "normalizer",
        LlamaJson.JSON.readTree(
            "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}"));
    ObjectNode model = root.putObject("model").put("type", "BPE").put("unk_token", "<unk>");
    model.putObject("vocab").put("<unk>", 0).put("a", 1).put("b", 2).put("ab", 3);
    model.putArray("merges").add("a b");
    return root;
  }

  private static Tokenizer json(byte[] bytes) {
    return TokenizerJson.parse(FILE, bytes, new TokenizerFiles.Settings(FILE));
  }

  private static void refusedJson(Consumer<ObjectNode> change, String... parts) {
    ObjectNode root = tinyJson();
    change.accept(root);
    refused(() -> json(LlamaJson.JSON.writeValueAsBytes(root)), parts);
  }

  private static ObjectNode model(ObjectNode root) {
    return (ObjectNode) root.get("model");
  }

  @Test
  void lyingJsonFiles() {
    Tokenizer fine = json(LlamaJson.JSON.writeValueAsBytes(tinyJson()));
    assertEquals(4, fine.size());
    refused(() -> json(new byte[0]), "hostile");
    refused(() -> json("[]".getBytes(StandardCharsets.UTF_8)), "an object", "array");
    refused(() -> json("{".getBytes(StandardCharsets.UTF_8)), "JSON at byte");
    refused(() -> json("{\"a\":1,\"a\":2}".getBytes(StandardCharsets.UTF_8)), "Duplicate");
    refused(
        () -> json(("{\"a\":" + "[".repeat(100_000)).getBytes(StandardCharsets.UTF_8)), "hostile");
    refused(() -> json(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}), "hostile");
    refusedJson(r -> r.remove("model"), "field model", "an object");
    refusedJson(r -> model(r).put("type", "Unigram"), "model.type", "BPE", "Unigram");
    refusedJson(r -> model(r).put("type", 5), "model.type", "a string");
    refusedJson(r -> model(r).put("dropout", 0.1), "model.dropout", "0.1");
    refusedJson(r -> model(r).put("ignore_merges", true), "model.ignore_merges");
    refusedJson(
        r -> model(r).put("continuing_subword_prefix", "##"), "continuing_subword_prefix", "##");
    refusedJson(r -> model(r).put("end_of_word_suffix", "</w>"), "end_of_word_suffix");
    refusedJson(r -> model(r).put("byte_fallback", true), "byte_fallback", "<0x00>");
    refusedJson(r -> model(r).put("byte_fallback", 1), "byte_fallback", "true or false");
    refusedJson(r -> model(r).put("unk_token", "[UNK]"), "model.unk_token", "[UNK]");
    refusedJson(r -> model(r).putObject("vocab"), "model.vocab", "0");
    refusedJson(r -> ((ObjectNode) model(r).get("vocab")).put("c", -1), "'c'", "-1");
    refusedJson(r -> ((ObjectNode) model(r).get("vocab")).put("c", 1 << 20), "'c'", "1048576");
    refusedJson(
        r -> ((ObjectNode) model(r).get("vocab")).put("c", 1L << 40), "'c'", "1099511627776");
    refusedJson(r -> ((ObjectNode) model(r).get("vocab")).put("c", 1.5), "'c'", "1.5");
    refusedJson(r -> ((ObjectNode) model(r).get("vocab")).put("c", 2), "'c'", "'b'", "2");
    refusedJson(r -> ((ObjectNode) model(r).get("vocab")).put("", 4), "model.vocab", "empty");
    refusedJson(r -> model(r).put("merges", 3), "model.merges", "a list");
    refusedJson(r -> model(r).putArray("merges").add("ab"), "merges[0]", "one space");
    refusedJson(r -> model(r).putArray("merges").add("a  b"), "merges[0]");
    refusedJson(
        r -> model(r).putArray("merges").add("a c"), "merges[0]", "pieces of the vocabulary");
    refusedJson(r -> model(r).putArray("merges").add("a b").add("a b"), "merges[1]", "of its own");
    refusedJson(r -> model(r).putArray("merges").addArray().add("a"), "merges[0]", "two pieces");
    refusedJson(r -> model(r).putArray("merges").add("<unk> a"), "merges[0]");
    refusedJson(r -> r.putNull("normalizer"), "normalizer");
    refusedJson(r -> r.putObject("normalizer").put("type", "NFKC"), "normalizer", "NFKC");
    refusedJson(
        r -> r.putObject("normalizer").put("type", "Prepend").put("prepend", "x"),
        "prepend",
        "U+2581");
    refusedJson(
        r -> r.putObject("pre_tokenizer").put("type", "ByteLevel"), "pre_tokenizer", "ByteLevel");
    refusedJson(
        r -> r.putObject("pre_tokenizer").put("type", "Metaspace"), "normalizer", "none beside");
    refusedJson(
        r -> {
          r.putNull("normalizer");
          r.putObject("pre_tokenizer").put("type", "Metaspace").put("prepend_scheme", "often");
        },
        "prepend_scheme",
        "often");
    refusedJson(r -> r.putObject("decoder").put("type", "WordPiece"), "decoder.type", "WordPiece");
    refusedJson(
        r -> r.putObject("post_processor").put("type", "Bert"), "post_processor.type", "Bert");
    refusedJson(r -> r.put("added_tokens", 1), "added_tokens", "a list");
    refusedJson(
        r -> r.putArray("added_tokens").addObject().put("content", "x"), "added_tokens[0].id");
    refusedJson(
        r -> r.putArray("added_tokens").addObject().put("id", 4), "added_tokens[0]", "content");
    refusedJson(
        r -> r.putArray("added_tokens").addObject().put("id", 1).put("content", "x"),
        "'x'",
        "from 4 on",
        "1");
    refusedJson(
        r -> r.putArray("added_tokens")
            .addObject()
            .put("id", 4)
            .put("content", "x")
            .put("lstrip", "yes"),
        "added_tokens[0].lstrip");
    refusedJson(
        r -> r.putArray("added_tokens").addObject().put("id", 2_000_000_000).put("content", "x"),
        "'x'",
        "2000000000");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tokenizer_config.json|{\"legacy\": 1}|legacy",
        "tokenizer_config.json|{\"add_eos_token\": true}|add_eos_token",
        "tokenizer_config.json|{\"bos_token\": \"[BOS]\"}|bos_token",
        "tokenizer_config.json|{\"bos_token\": 3}|bos_token",
        "tokenizer_config.json|{\"added_tokens_decoder\": []}|added_tokens_decoder",
        "tokenizer_config.json|{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}|ids as names",
        "tokenizer_config.json|{\"added_tokens_decoder\": {\"9\": {}}}|added_tokens_decoder.9",
        "tokenizer_config.json|{\"added_tokens_decoder\": {\"2\": {\"content\": \"y\"}}}|'y'",
        "tokenizer_config.json|{\"additional_special_tokens\": 4}|additional_special_tokens",
        "added_tokens.json|{\"x\": \"y\"}|x",
        "added_tokens.json|{\"x\": 99999999}|99999999",
        "added_tokens.json|{\"x\": 1}|'x'",
        "special_tokens_map.json|[]|an object",
        "special_tokens_map.json|{\"unk_token\": {}}|unk_token",
      })
  void lyingSettings(String name, String content, String part, @TempDir Path dir)
      throws IOException {
    Files.write(dir.resolve("tokenizer.model"), SentencePieceModel.write(tiny()));
    Tokenizer.open(dir);
    Files.writeString(dir.resolve(name), content);
    refused(() -> Tokenizer.open(dir), part);
  }
}
