package dev.fovea.model.text;

import dev.fovea.error.FileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Reads the {@code tokenizer.json} of Hugging Face's fast tokenizers, in the forms LLaMA-family checkpoints use: a BPE model with
 * ranked merges, spaces written as U+2581 by a Prepend + Replace normalizer or by a Metaspace pre-tokenizer. Every other component
 * is refused by name, as it would change ids silently. What this file says about the space in front wins over {@code legacy} of
 * {@code tokenizer_config.json}, which only told converters how to write it.
 */
final class TokenizerJson {
  private final Path file;
  private final JsonNode root;

  private TokenizerJson(Path file, JsonNode root) {
    this.file = file;
    this.root = root;
  }

  static Tokenizer read(Path file, TokenizerFiles.Settings settings) {
    return parse(file, TokenizerFiles.bytes(file, Bounds.JSON_BYTES), settings);
  }

  static Tokenizer parse(Path file, byte[] bytes, TokenizerFiles.Settings settings) {
    return new TokenizerJson(file, TokenizerFiles.json(file, bytes)).tokenizer(settings);
  }

  private Tokenizer tokenizer(TokenizerFiles.Settings settings) {
    JsonNode model = object(root, "model", "model");
    checkModel(model);
    boolean byteFallback = Boolean.TRUE.equals(bool(model, "model", "byte_fallback"));
    boolean fuseUnk = Boolean.TRUE.equals(bool(model, "model", "fuse_unk"));
    Map<String, Integer> ids = vocabulary(object(model, "vocab", "model.vocab"));
    List<AddedToken> added = added(ids, settings);
    int size = 0;
    for (int id : ids.values()) {
      size = Math.max(size, id + 1);
    }
    String[] pieces = new String[size];
    PieceType[] types = new PieceType[size];
    Arrays.fill(types, PieceType.NORMAL);
    ids.forEach((text, id) -> pieces[id] = text);
    for (int id = 0; id < size; id++) {
      if (pieces[id] == null) {
        pieces[id] = "[PAD" + id + "]";
        types[id] = PieceType.UNUSED;
      } else if (byteFallback && ScoredVocabulary.byteValue(pieces[id]) >= 0) {
        types[id] = PieceType.BYTE;
      }
    }
    for (AddedToken token : added) {
      if (token.special() && token.id() < size && types[token.id()] != PieceType.BYTE) {
        types[token.id()] = PieceType.CONTROL;
      }
    }
    int unk = -1;
    JsonNode unkNode = model.get("unk_token");
    if (present(unkNode)) {
      Integer id = unkNode.isString() ? ids.get(unkNode.stringValue()) : null;
      if (id == null) {
        throw mismatch("model.unk_token", "a token of the vocabulary", unkNode);
      }
      unk = id;
      types[unk] = PieceType.UNKNOWN;
    }
    int[] byteIds = byteFallback ? byteIds(ids) : null;
    Map<Integer, Integer> characters = new HashMap<>();
    ids.forEach((text, id) -> {
      if (text.codePointCount(0, text.length()) == 1) {
        characters.put(text.codePointAt(0), id);
      }
    });
    float[] scores = new float[size];
    MergeTable merges = merges(model.get("merges"), ids, types, scores);
    for (AddedToken token : added) {
      if (token.id() < size && types[token.id()] == PieceType.NORMAL && scores[token.id()] == 0) {
        types[token.id()] = PieceType.USER_DEFINED; // no merge makes it: only matching does
      }
    }
    boolean[] unused = new boolean[size]; // merges say what merges here, whatever the types say
    Bpe bpe = new Bpe(size, merges, characters, byteIds, unk, fuseUnk, unused);
    Spaces spaces = spaces();
    Tokenizer.Parts parts = new Tokenizer.Parts(
        pieces,
        scores,
        types,
        bpe,
        ids.getOrDefault("<s>", -1),
        ids.getOrDefault("</s>", -1),
        unk,
        -1,
        settings.addBos == null ? postProcessorAddsBos() : settings.addBos,
        spaces.prefix,
        spaces.splitWords,
        false,
        byteFallback,
        stripsFirstSpace(spaces),
        List.of());
    Map<String, Integer> all = new HashMap<>(ids);
    added.forEach(token -> all.put(token.content(), token.id()));
    return new Tokenizer(settings.named(Tokenizer.extend(parts, added), all));
  }

  private void checkModel(JsonNode model) {
    String type = string(model, "model", "type");
    if (type != null && !type.equals("BPE")) {
      throw mismatch("model.type", "BPE", model.get("type"));
    }
    for (String affix : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
      String value = string(model, "model", affix);
      if (value != null && !value.isEmpty()) {
        throw mismatch("model." + affix, "none", model.get(affix));
      }
    }
    JsonNode dropout = model.get("dropout");
    if (present(dropout) && !(dropout.isNumber() && dropout.doubleValue() == 0)) {
      throw mismatch("model.dropout", "none", dropout);
    }
    if (Boolean.TRUE.equals(bool(model, "model", "ignore_merges"))) {
      throw mismatch("model.ignore_merges", "false", model.get("ignore_merges"));
    }
  }

  private Map<String, Integer> vocabulary(JsonNode vocab) {
    if (vocab.isEmpty() || vocab.size() > Bounds.PIECES) {
      throw FileException.mismatch(
          file, "field model.vocab", "1 to " + Bounds.PIECES + " pieces", vocab.size());
    }
    Map<String, Integer> ids = HashMap.newHashMap(vocab.size());
    Map<Integer, String> texts = HashMap.newHashMap(vocab.size());
    for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
      String text = entry.getKey();
      String field = "model.vocab." + ScoredVocabulary.show(text);
      JsonNode id = entry.getValue();
      if (text.isEmpty()) {
        throw FileException.mismatch(file, "field model.vocab", "pieces with text", "an empty one");
      }
      ScoredVocabulary.checkText(file, "field " + field, text);
      if (!id.isInt() || id.intValue() < 0 || id.intValue() >= Bounds.PIECES) {
        throw mismatch(field, "an id from 0 to " + (Bounds.PIECES - 1), id);
      }
      String twin = texts.put(id.intValue(), text);
      if (twin != null) {
        throw mismatch(field, "an id of its own, not that of " + ScoredVocabulary.show(twin), id);
      }
      ids.put(text, id.intValue());
    }
    return ids;
  }

  private List<AddedToken> added(Map<String, Integer> ids, TokenizerFiles.Settings settings) {
    Map<String, AddedToken> added = new LinkedHashMap<>();
    Map<String, Integer> known = new HashMap<>(ids);
    JsonNode list = root.get("added_tokens");
    if (present(list)) {
      if (!list.isArray() || list.size() > Bounds.PIECES) {
        throw mismatch("added_tokens", "a list of at most " + Bounds.PIECES, list);
      }
      for (int i = 0; i < list.size(); i++) {
        String field = "added_tokens[" + i + "]";
        JsonNode id = list.get(i).get("id");
        if (id == null || !id.isInt()) {
          throw mismatch(field + ".id", "an id", id);
        }
        AddedToken token = TokenizerFiles.token(file, field, id.intValue(), list.get(i));
        if (added.put(token.content(), token) != null) {
          throw mismatch(field + ".content", "a text of its own", list.get(i).get("content"));
        }
        known.put(token.content(), token.id());
      }
    }
    for (AddedToken token : settings.tokens(known)) {
      AddedToken here = added.putIfAbsent(token.content(), token);
      if (here != null && here.id() != token.id()) {
        throw FileException.mismatch(
            file,
            "id of added token " + ScoredVocabulary.show(token.content()),
            token.id(),
            here.id());
      }
    }
    List<AddedToken> tokens = new ArrayList<>(added.values());
    int size = 0;
    for (int id : ids.values()) {
      size = Math.max(size, id + 1);
    }
    ScoredVocabulary.checkAdded(file, tokens, ids, size);
    return tokens;
  }

  private int[] byteIds(Map<String, Integer> ids) {
    int[] byteIds = new int[256];
    for (int value = 0; value < 256; value++) {
      String name = ScoredVocabulary.byteName(value);
      Integer id = ids.get(name);
      if (id == null) {
        throw FileException.mismatch(
            file, "field model.vocab with byte_fallback", "a byte piece " + name, "none");
      }
      byteIds[value] = id;
    }
    return byteIds;
  }

  private MergeTable merges(
      @Nullable JsonNode list, Map<String, Integer> ids, PieceType[] types, float[] scores) {
    if (list == null || !list.isArray()) {
      throw mismatch("model.merges", "a list", list);
    }
    if (list.size() > Bounds.MERGES) {
      throw FileException.mismatch(
          file, "field model.merges", "at most " + Bounds.MERGES, list.size());
    }
    MergeTable merges = new MergeTable();
    for (int rank = 0; rank < list.size(); rank++) {
      JsonNode pair = list.get(rank);
      String field = "model.merges[" + rank + "]";
      String left;
      String right;
      if (pair.isString()) {
        String text = pair.stringValue();
        int space = text.indexOf(' ');
        if (space < 0 || text.indexOf(' ', space + 1) >= 0) {
          throw mismatch(field, "two pieces with one space between", pair);
        }
        left = text.substring(0, space);
        right = text.substring(space + 1);
      } else if (pair.isArray()
          && pair.size() == 2
          && pair.get(0).isString()
          && pair.get(1).isString()) {
        left = pair.get(0).stringValue();
        right = pair.get(1).stringValue();
      } else {
        throw mismatch(field, "two pieces", pair);
      }
      Integer leftId = ids.get(left);
      Integer rightId = ids.get(right);
      Integer id = ids.get(left + right);
      if (leftId == null || rightId == null || id == null) {
        throw mismatch(field, "pieces of the vocabulary", pair);
      }
      for (int part : new int[] {leftId, rightId, id}) {
        if (types[part] != PieceType.NORMAL) {
          throw mismatch(field, "normal pieces", pair);
        }
      }
      if (!merges.put(leftId, rightId, rank, id)) {
        throw mismatch(field, "a pair of its own", pair);
      }
      if (scores[id] == 0) {
        scores[id] = -(rank + 1);
      }
    }
    return merges;
  }

  /** How spaces are written and when one is put in front. */
  private record Spaces(Prefix prefix, boolean splitWords, boolean fromMetaspace) {}

  private Spaces spaces() {
    Boolean prepends = normalizer();
    JsonNode pre = root.get("pre_tokenizer");
    if (!present(pre)) {
      if (prepends == null) {
        throw mismatch(
            "normalizer",
            "Prepend and Replace, or a Metaspace pre_tokenizer",
            root.get("normalizer"));
      }
      return new Spaces(
          new Prefix(prepends ? Prefix.Scope.ALWAYS : Prefix.Scope.NEVER, false, prepends),
          false,
          false);
    }
    if (!pre.isObject() || !"Metaspace".equals(string(pre, "pre_tokenizer", "type"))) {
      throw mismatch("pre_tokenizer", "none or Metaspace", pre.isObject() ? pre.get("type") : pre);
    }
    if (prepends != null) {
      throw mismatch("normalizer", "none beside a Metaspace pre_tokenizer", root.get("normalizer"));
    }
    String replacement = string(pre, "pre_tokenizer", "replacement");
    if (replacement != null && !replacement.equals(String.valueOf(Tokenizer.SPACE))) {
      throw mismatch("pre_tokenizer.replacement", "U+2581", pre.get("replacement"));
    }
    Boolean split = bool(pre, "pre_tokenizer", "split");
    Boolean addPrefixSpace = bool(pre, "pre_tokenizer", "add_prefix_space");
    String scheme = string(pre, "pre_tokenizer", "prepend_scheme");
    Prefix.Scope scope = switch (scheme == null ? "always" : scheme) {
      case "always" -> Prefix.Scope.ALWAYS;
      case "first" -> Prefix.Scope.FIRST;
      case "never" -> Prefix.Scope.NEVER;
      default ->
        throw mismatch(
            "pre_tokenizer.prepend_scheme", "always, first or never", pre.get("prepend_scheme"));
    };
    if (Boolean.FALSE.equals(addPrefixSpace)) {
      if (scheme != null && scope != Prefix.Scope.NEVER) {
        throw mismatch(
            "pre_tokenizer.prepend_scheme",
            "never, as add_prefix_space is false",
            pre.get("prepend_scheme"));
      }
      scope = Prefix.Scope.NEVER;
    }
    return new Spaces(new Prefix(scope, true, false), split == null || split, true);
  }

  /** Whether the normalizer prepends a space; null without a normalizer. */
  private @Nullable Boolean normalizer() {
    JsonNode node = root.get("normalizer");
    if (!present(node)) {
      return null;
    }
    List<JsonNode> steps = new ArrayList<>();
    if ("Sequence".equals(node.isObject() ? string(node, "normalizer", "type") : null)) {
      JsonNode list = node.get("normalizers");
      if (list == null || !list.isArray()) {
        throw mismatch("normalizer.normalizers", "a list", list);
      }
      list.forEach(steps::add);
    } else {
      steps.add(node);
    }
    boolean prepend = false;
    boolean replace = false;
    for (int i = 0; i < steps.size(); i++) {
      JsonNode step = steps.get(i);
      String field = "normalizer.normalizers[" + i + "]";
      String type = step.isObject() ? string(step, field, "type") : null;
      if ("Prepend".equals(type) && i == 0) {
        if (!String.valueOf(Tokenizer.SPACE).equals(string(step, field, "prepend"))) {
          throw mismatch(field + ".prepend", "U+2581", step.get("prepend"));
        }
        prepend = true;
      } else if ("Replace".equals(type) && i == steps.size() - 1) {
        JsonNode pattern = step.get("pattern");
        JsonNode from = pattern != null && pattern.isObject() ? pattern.get("String") : null;
        if (from == null
            || !from.isString()
            || !from.stringValue().equals(" ")
            || !String.valueOf(Tokenizer.SPACE).equals(string(step, field, "content"))) {
          throw mismatch(field, "Replace of a space by U+2581", step);
        }
        replace = true;
      } else {
        throw mismatch(
            field + ".type", "Prepend, then Replace", step.isObject() ? step.get("type") : step);
      }
    }
    if (!replace) {
      throw mismatch("normalizer", "a Replace of a space by U+2581", node);
    }
    return prepend;
  }

  /** Whether decoding drops the first space; checks that the decoder does nothing else than what this engine does. */
  private boolean stripsFirstSpace(Spaces spaces) {
    JsonNode node = root.get("decoder");
    if (!present(node)) {
      return spaces.prefix.scope() != Prefix.Scope.NEVER;
    }
    String type = node.isObject() ? string(node, "decoder", "type") : null;
    if ("Metaspace".equals(type)) {
      return !Boolean.FALSE.equals(bool(node, "decoder", "add_prefix_space"))
          && !"never".equals(string(node, "decoder", "prepend_scheme"));
    }
    JsonNode list = "Sequence".equals(type) ? node.get("decoders") : null;
    if (list == null || !list.isArray()) {
      throw mismatch(
          "decoder.type", "Sequence or Metaspace", node.isObject() ? node.get("type") : node);
    }
    boolean strips = false;
    for (int i = 0; i < list.size(); i++) {
      JsonNode step = list.get(i);
      String field = "decoder.decoders[" + i + "]";
      String stepType = step.isObject() ? string(step, field, "type") : null;
      switch (stepType == null ? "" : stepType) {
        case "Replace", "ByteFallback", "Fuse" -> {}
        case "Strip" -> strips = true;
        default ->
          throw mismatch(field + ".type", "Replace, ByteFallback, Fuse or Strip", step.get("type"));
      }
    }
    return strips;
  }

  private boolean postProcessorAddsBos() {
    JsonNode node = root.get("post_processor");
    if (!present(node)) {
      return true; // LLaMA tokenizers add it unless told otherwise
    }
    if (!node.isObject() || !"TemplateProcessing".equals(string(node, "post_processor", "type"))) {
      throw mismatch(
          "post_processor.type", "TemplateProcessing", node.isObject() ? node.get("type") : node);
    }
    JsonNode single = node.get("single");
    return single != null
        && single.isArray()
        && !single.isEmpty()
        && single.get(0).has("SpecialToken");
  }

  private static boolean present(@Nullable JsonNode node) {
    return node != null && !node.isNull();
  }

  private JsonNode object(JsonNode parent, String name, String field) {
    JsonNode node = parent.get(name);
    if (node == null || !node.isObject()) {
      throw mismatch(field, "an object", node);
    }
    return node;
  }

  private @Nullable String string(JsonNode parent, String where, String name) {
    JsonNode node = parent.get(name);
    if (node == null || node.isNull()) {
      return null;
    }
    if (!node.isString()) {
      throw mismatch(where + "." + name, "a string", node);
    }
    return node.stringValue();
  }

  private @Nullable Boolean bool(JsonNode parent, String where, String name) {
    JsonNode node = parent.get(name);
    if (node == null || node.isNull()) {
      return null;
    }
    if (!node.isBoolean()) {
      throw mismatch(where + "." + name, "true or false", node);
    }
    return node.booleanValue();
  }

  private FileException mismatch(String field, Object expected, @Nullable JsonNode found) {
    return TokenizerFiles.mismatch(file, field, expected, found);
  }
}
