package dev.fovea.model.text;

import dev.fovea.error.FileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The tokenizer files of a checkpoint directory, read together. */
final class TokenizerFiles {
  private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build())
      .build();

  private TokenizerFiles() {}

  static Tokenizer open(Path directory, boolean preferJson) {
    Path json = directory.resolve("tokenizer.json");
    Path model = directory.resolve("tokenizer.model");
    Settings settings = Settings.read(directory);
    if (Files.exists(json) && (preferJson || !Files.exists(model))) {
      return TokenizerJson.read(json, settings);
    }
    if (Files.exists(model)) {
      return ofModel(model, settings);
    }
    throw FileException.mismatch(
        directory, "tokenizer", "tokenizer.json or tokenizer.model", "neither");
  }

  private static Tokenizer ofModel(Path file, Settings settings) {
    TokenizerData data = SentencePieceModel.read(file);
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (int id = 0; id < data.pieces().length; id++) {
      ids.put(data.pieces()[id], id);
    }
    Map<String, AddedToken> added = new LinkedHashMap<>();
    data.added().forEach(token -> added.put(token.content(), token));
    for (AddedToken token : settings.tokens(ids)) {
      // The reference looks for these before SentencePiece sees the text, whatever "normalized"
      // says.
      added.put(
          token.content(),
          new AddedToken(
              token.id(),
              token.content(),
              token.special(),
              token.lstrip(),
              token.rstrip(),
              false,
              token.singleWord()));
      ids.putIfAbsent(token.content(), token.id());
    }
    Tokenizer.Parts parts = ScoredVocabulary.parts(
        file,
        new TokenizerData(
            data.pieces(),
            data.scores(),
            data.types(),
            data.bos(),
            data.eos(),
            data.unk(),
            data.pad(),
            settings.addBos == null ? data.bos() >= 0 : settings.addBos,
            settings.addPrefixSpace == null ? data.addSpacePrefix() : settings.addPrefixSpace,
            settings.legacy == null || settings.legacy,
            data.byteFallback(),
            data.removeExtraWhitespaces(),
            new ArrayList<>(added.values())));
    return new Tokenizer(settings.named(parts, ids));
  }

  /** The bytes of a regular file no larger than the limit. */
  static byte[] bytes(Path file, long limit) {
    try {
      if (!Files.isRegularFile(file)) {
        throw FileException.mismatch(
            file, "file", "a regular file", Files.exists(file) ? "something else" : "nothing");
      }
      long size = Files.size(file);
      if (size > limit) {
        throw FileException.mismatch(file, "file size", "at most " + limit + " bytes", size);
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /** A JSON object, with duplicate names refused. */
  static JsonNode json(Path file, byte[] bytes) {
    JsonNode node;
    try {
      node = JSON.readTree(bytes);
    } catch (JacksonException e) {
      String at = e.getLocation() == null ? "" : " at byte " + e.getLocation().getByteOffset();
      String problem = String.valueOf(e.getOriginalMessage()).replaceAll("\\s+", " ");
      throw new FileException(file, "JSON" + at + ": " + problem, e);
    }
    if (node == null || !node.isObject()) {
      throw FileException.mismatch(
          file,
          "JSON",
          "an object",
          node == null ? "nothing" : node.getNodeType().name().toLowerCase(java.util.Locale.ROOT));
    }
    return node;
  }

  static FileException mismatch(
      Path file, String field, Object expected, @Nullable JsonNode found) {
    String text = found == null || found.isMissingNode() ? "nothing" : found.toString();
    return FileException.mismatch(
        file, "field " + field, expected, text.length() > 80 ? text.substring(0, 80) + "…" : text);
  }

  static @Nullable Boolean bool(Path file, JsonNode object, String field) {
    JsonNode node = object.get(field);
    if (node == null || node.isNull()) {
      return null;
    }
    if (!node.isBoolean()) {
      throw mismatch(file, field, "true or false", node);
    }
    return node.booleanValue();
  }

  /** An added token as tokenizer.json and added_tokens_decoder write it; absent flags are false. */
  static AddedToken token(Path file, String field, int id, JsonNode node) {
    JsonNode content = node.get("content");
    if (!node.isObject() || content == null || !content.isString()) {
      throw mismatch(file, field, "an object with content", node);
    }
    return new AddedToken(
        id,
        content.stringValue(),
        flag(file, node, field, "special"),
        flag(file, node, field, "lstrip"),
        flag(file, node, field, "rstrip"),
        flag(file, node, field, "normalized"),
        flag(file, node, field, "single_word"));
  }

  private static boolean flag(Path file, JsonNode node, String where, String name) {
    JsonNode value = node.get(name);
    if (value == null || value.isNull()) {
      return false;
    }
    if (!value.isBoolean()) {
      throw mismatch(file, where + "." + name, "true or false", value);
    }
    return value.booleanValue();
  }

  /** What tokenizer_config.json, special_tokens_map.json and added_tokens.json say. */
  static final class Settings {
    final Path directory;

    @Nullable
    Boolean legacy;

    @Nullable
    Boolean addBos;

    @Nullable
    Boolean addPrefixSpace;

    /** By role: bos_token, eos_token, unk_token, pad_token. */
    final Map<String, String> named = new LinkedHashMap<>();

    final Set<String> special = new HashSet<>();
    final Map<String, AddedToken> tokens = new LinkedHashMap<>();

    Settings(Path directory) {
      this.directory = directory;
    }

    static Settings read(Path directory) {
      Settings settings = new Settings(directory);
      Path map = directory.resolve("special_tokens_map.json");
      if (Files.exists(map)) {
        settings.specials(map, json(map, bytes(map, Bounds.JSON_BYTES)));
      }
      Path config = directory.resolve("tokenizer_config.json");
      if (Files.exists(config)) {
        JsonNode node = json(config, bytes(config, Bounds.JSON_BYTES));
        settings.specials(config, node);
        settings.legacy = bool(config, node, "legacy");
        settings.addBos = bool(config, node, "add_bos_token");
        settings.addPrefixSpace = bool(config, node, "add_prefix_space");
        if (Boolean.TRUE.equals(bool(config, node, "add_eos_token"))) {
          throw mismatch(config, "add_eos_token", "false", node.get("add_eos_token"));
        }
        settings.decoder(config, node.get("added_tokens_decoder"));
      }
      Path added = directory.resolve("added_tokens.json");
      if (Files.exists(added)) {
        JsonNode node = json(added, bytes(added, Bounds.JSON_BYTES));
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
          if (!entry.getValue().isInt()) {
            throw mismatch(added, entry.getKey(), "an id", entry.getValue());
          }
          settings.add(
              added,
              AddedToken.of(
                  entry.getValue().intValue(),
                  entry.getKey(),
                  settings.special.contains(entry.getKey())),
              true);
        }
      }
      return settings;
    }

    private void specials(Path file, JsonNode node) {
      for (String role : List.of("bos_token", "eos_token", "unk_token", "pad_token")) {
        JsonNode value = node.get(role);
        if (value != null && !value.isNull()) {
          named.put(role, content(file, role, value));
          special.add(content(file, role, value));
        }
      }
      for (String list : List.of("additional_special_tokens", "extra_special_tokens")) {
        JsonNode value = node.get(list);
        if (value != null && value.isArray()) {
          for (int i = 0; i < value.size(); i++) {
            special.add(content(file, list + "[" + i + "]", value.get(i)));
          }
        } else if (value != null && value.isObject()) {
          for (Map.Entry<String, JsonNode> entry : value.properties()) {
            special.add(content(file, list + "." + entry.getKey(), entry.getValue()));
          }
        } else if (value != null && !value.isNull()) {
          throw mismatch(file, list, "a list or an object", value);
        }
      }
    }

    private static String content(Path file, String field, JsonNode value) {
      JsonNode text = value.isObject() ? value.get("content") : value;
      if (text == null || !text.isString()) {
        throw mismatch(file, field, "a string, or an object with content", value);
      }
      return text.stringValue();
    }

    private void decoder(Path file, @Nullable JsonNode decoder) {
      if (decoder == null || decoder.isNull()) {
        return;
      }
      if (!decoder.isObject()) {
        throw mismatch(file, "added_tokens_decoder", "an object", decoder);
      }
      for (Map.Entry<String, JsonNode> entry : decoder.properties()) {
        String field = "added_tokens_decoder." + entry.getKey();
        int id;
        try {
          id = Integer.parseInt(entry.getKey());
        } catch (NumberFormatException e) {
          throw FileException.mismatch(
              file, "field added_tokens_decoder", "ids as names", entry.getKey());
        }
        add(file, token(file, field, id, entry.getValue()), false);
      }
    }

    private void add(Path file, AddedToken token, boolean keepKnown) {
      if (token.content().isEmpty() || token.id() < 0 || token.id() >= Bounds.PIECES) {
        throw FileException.mismatch(
            file,
            "added token " + ScoredVocabulary.show(token.content()),
            "text and an id from 0 to " + (Bounds.PIECES - 1),
            token.id());
      }
      AddedToken known = tokens.get(token.content());
      if (known != null && known.id() != token.id()) {
        throw FileException.mismatch(
            file,
            "id of added token " + ScoredVocabulary.show(token.content()),
            known.id(),
            token.id());
      }
      if (known == null || !keepKnown) {
        tokens.put(token.content(), token);
      }
    }

    /** The added tokens, with those that are special by role, given where the vocabulary has their text. */
    List<AddedToken> tokens(Map<String, Integer> vocabulary) {
      Map<String, AddedToken> all = new LinkedHashMap<>(tokens);
      for (String content : special) {
        Integer id = vocabulary.get(content);
        if (id != null) {
          all.putIfAbsent(content, AddedToken.of(id, content, true));
        }
      }
      return new ArrayList<>(all.values());
    }

    /** The parts with the ids of the tokens that the files name; a padding token that has no id is left out. */
    Tokenizer.Parts named(Tokenizer.Parts p, Map<String, Integer> ids) {
      return new Tokenizer.Parts(
          p.pieces(),
          p.scores(),
          p.types(),
          p.bpe(),
          id("bos_token", p.bos(), ids),
          id("eos_token", p.eos(), ids),
          id("unk_token", p.unk(), ids),
          id("pad_token", p.pad(), ids),
          p.addBos(),
          p.prefix(),
          p.splitWords(),
          p.removeExtraWhitespaces(),
          p.byteFallback(),
          p.stripFirstSpace(),
          p.added());
    }

    private int id(String role, int otherwise, Map<String, Integer> ids) {
      String content = named.get(role);
      if (content == null) {
        return otherwise;
      }
      Integer id = ids.get(content);
      if (id == null && role.equals("pad_token")) {
        return -1;
      }
      if (id == null) {
        throw FileException.mismatch(
            directory,
            "field " + role,
            "a token of the vocabulary",
            ScoredVocabulary.show(content));
      }
      return id;
    }
  }
}
