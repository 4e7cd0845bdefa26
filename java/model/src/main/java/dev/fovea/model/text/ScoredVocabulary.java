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

/**
 * Checks a score-driven vocabulary and works out its merges: every way to cut a piece into two smaller ones is a merge, ranked by the
 * piece's score. That is what SentencePiece does by looking up joined neighbours, spelled as a table.
 */
final class ScoredVocabulary {
  private ScoredVocabulary() {}

  static Tokenizer.Parts parts(Path file, TokenizerData data) {
    String[] pieces = data.pieces();
    PieceType[] types = data.types();
    int n = pieces.length;
    if (n == 0 || n > Bounds.PIECES) {
      throw FileException.mismatch(file, "tokenizer pieces", "1 to " + Bounds.PIECES, n);
    }
    if (data.scores().length != n || types.length != n) {
      throw FileException.mismatch(
          file,
          "tokenizer scores and types",
          n + " each",
          data.scores().length + " scores and " + types.length + " types");
    }
    Map<String, Integer> ids = HashMap.newHashMap(n);
    for (int id = 0; id < n; id++) {
      if (pieces[id].isEmpty()) {
        throw FileException.mismatch(file, "tokenizer piece " + id, "text", "nothing");
      }
      checkText(file, "tokenizer piece " + id, pieces[id]);
      if (!Float.isFinite(data.scores()[id])) {
        throw FileException.mismatch(
            file, "tokenizer score of piece " + id, "a finite number", data.scores()[id]);
      }
      Integer twin = ids.put(pieces[id], id);
      if (twin != null) {
        throw FileException.mismatch(
            file,
            "tokenizer piece " + id,
            "text of its own",
            show(pieces[id]) + ", like piece " + twin);
      }
    }
    checkId(file, "bos", data.bos(), n);
    checkId(file, "eos", data.eos(), n);
    checkId(file, "unk", data.unk(), n);
    checkId(file, "pad", data.pad(), n);
    int[] byteIds = byteIds(file, pieces, types, data.byteFallback());
    boolean[] unused = new boolean[n];
    for (int id = 0; id < n; id++) {
      unused[id] = types[id] == PieceType.UNUSED;
    }
    Map<Integer, Integer> characters = new HashMap<>();
    MergeTable merges = merges(file, data, characters);
    Bpe bpe = new Bpe(
        n, merges, characters, data.byteFallback() ? byteIds : null, data.unk(), true, unused);
    Prefix.Scope scope = !data.addSpacePrefix()
        ? Prefix.Scope.NEVER
        : data.legacy() ? Prefix.Scope.ALWAYS : Prefix.Scope.FIRST;
    Tokenizer.Parts parts = new Tokenizer.Parts(
        pieces.clone(),
        data.scores().clone(),
        types.clone(),
        bpe,
        data.bos(),
        data.eos(),
        data.unk(),
        data.pad(),
        data.addBos(),
        new Prefix(scope, false, false),
        false,
        data.removeExtraWhitespaces(),
        data.byteFallback(),
        data.addSpacePrefix() || data.removeExtraWhitespaces(),
        List.of());
    return Tokenizer.extend(parts, added(file, data, ids));
  }

  /** Every control, unknown and user-defined piece, with the attributes the caller gave, and the tokens beyond the pieces. */
  private static List<AddedToken> added(Path file, TokenizerData data, Map<String, Integer> ids) {
    Map<String, AddedToken> added = new LinkedHashMap<>();
    for (int id = 0; id < data.pieces().length; id++) {
      String content = data.pieces()[id];
      switch (data.types()[id]) {
        case CONTROL, UNKNOWN -> added.put(content, AddedToken.of(id, content, true));
        case USER_DEFINED -> added.put(content, AddedToken.of(id, content, false));
        default -> {}
      }
    }
    checkAdded(file, data.added(), ids, data.pieces().length);
    for (AddedToken token : data.added()) {
      added.put(token.content(), token);
    }
    return new ArrayList<>(added.values());
  }

  /** Ids in range, ids below the vocabulary's size naming the same text there, no id and no text twice. */
  static void checkAdded(Path file, List<AddedToken> tokens, Map<String, Integer> ids, int pieces) {
    Map<Integer, String> seen = new HashMap<>();
    for (AddedToken token : tokens) {
      String where = "added token " + show(token.content());
      if (token.content().isEmpty()) {
        throw FileException.mismatch(file, "added token with id " + token.id(), "text", "nothing");
      }
      if (token.content().length() > Bounds.PIECE_CHARS) {
        throw FileException.mismatch(
            file,
            where,
            "at most " + Bounds.PIECE_CHARS + " characters",
            token.content().length());
      }
      if (token.id() < 0 || token.id() >= Bounds.PIECES) {
        throw FileException.mismatch(
            file, where + ", id", "0 to " + (Bounds.PIECES - 1), token.id());
      }
      Integer known = ids.get(token.content());
      if (known != null ? known != token.id() : token.id() < pieces) {
        throw FileException.mismatch(
            file,
            where + ", id",
            known != null ? known : "an id from " + pieces + " on",
            token.id());
      }
      String other = seen.put(token.id(), token.content());
      if (other != null && !other.equals(token.content())) {
        throw FileException.mismatch(
            file, where + ", id", "an id of its own", token.id() + ", like " + show(other));
      }
    }
  }

  /** Refuses half surrogate pairs, which no text can hold. */
  static void checkText(Path file, String where, String text) {
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      if (c >= 0xD800 && c <= 0xDFFF) {
        throw FileException.mismatch(file, where, "valid Unicode", show(text));
      }
    }
  }

  private static void checkId(Path file, String name, int id, int pieces) {
    if (id < -1 || id >= pieces) {
      throw FileException.mismatch(
          file, "tokenizer " + name + " id", "an id below " + pieces + ", or -1", id);
    }
  }

  /** The ids of the 256 byte pieces. */
  private static int[] byteIds(
      Path file, String[] pieces, PieceType[] types, boolean byteFallback) {
    int[] byteIds = new int[256];
    Arrays.fill(byteIds, -1);
    for (int id = 0; id < pieces.length; id++) {
      if (types[id] != PieceType.BYTE) {
        continue;
      }
      int value = byteValue(pieces[id]);
      if (value < 0) {
        throw FileException.mismatch(
            file, "tokenizer byte piece " + id, "<0x00> to <0xFF>", show(pieces[id]));
      }
      byteIds[value] = id;
    }
    if (byteFallback) {
      for (int value = 0; value < 256; value++) {
        if (byteIds[value] < 0) {
          throw FileException.mismatch(
              file, "tokenizer with byte_fallback", "a byte piece " + byteName(value), "none");
        }
      }
    }
    return byteIds;
  }

  static String byteName(int value) {
    return String.format(java.util.Locale.ROOT, "<0x%02X>", value);
  }

  /** The byte a piece such as {@code <0x0A>} stands for, or -1. */
  static int byteValue(@Nullable String piece) {
    if (piece == null
        || piece.length() != 6
        || !piece.startsWith("<0x")
        || piece.charAt(5) != '>') {
      return -1;
    }
    int high = "0123456789ABCDEF".indexOf(piece.charAt(3));
    int low = "0123456789ABCDEF".indexOf(piece.charAt(4));
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }

  private static MergeTable merges(
      Path file, TokenizerData data, Map<Integer, Integer> characters) {
    String[] pieces = data.pieces();
    Map<String, Integer> symbols = HashMap.newHashMap(pieces.length);
    for (int id = 0; id < pieces.length; id++) {
      String piece = pieces[id];
      boolean single = piece.codePointCount(0, piece.length()) == 1;
      if (data.types()[id].mergeable()) {
        if (piece.length() > Bounds.PIECE_CHARS) {
          throw FileException.mismatch(
              file,
              "tokenizer piece " + id,
              "at most " + Bounds.PIECE_CHARS + " characters",
              piece.length());
        }
        symbols.put(piece, id);
      }
      if (single && (data.types()[id].mergeable() || data.types()[id] == PieceType.USER_DEFINED)) {
        characters.put(piece.codePointAt(0), id);
      }
    }
    // Characters that have no piece of their own can still merge into one: they get symbols above
    // the ids.
    int bare = pieces.length;
    for (int id = 0; id < pieces.length; id++) {
      String piece = pieces[id];
      if (data.types()[id].mergeable()) {
        for (int i = 0; i < piece.length(); i += Character.charCount(piece.codePointAt(i))) {
          int c = piece.codePointAt(i);
          if (!characters.containsKey(c)) {
            characters.put(c, bare);
            symbols.put(Character.toString(c), bare++);
          }
        }
      }
    }
    float[] order = data.scores().clone();
    Arrays.sort(order);
    MergeTable merges = new MergeTable();
    for (int id = 0; id < pieces.length; id++) {
      String piece = pieces[id];
      if (!data.types()[id].mergeable()) {
        continue;
      }
      int rank = rank(order, data.scores()[id]);
      for (int i = Character.charCount(piece.codePointAt(0));
          i < piece.length();
          i += Character.charCount(piece.codePointAt(i))) {
        Integer left = symbols.get(piece.substring(0, i));
        Integer right = left == null ? null : symbols.get(piece.substring(i));
        if (left != null && right != null) {
          merges.put(left, right, rank, id);
        }
      }
      if (merges.size() > Bounds.MERGES) {
        throw FileException.mismatch(file, "tokenizer merges", "at most " + Bounds.MERGES, "more");
      }
    }
    return merges;
  }

  /** How many scores are greater than this one; equal scores share a rank. */
  private static int rank(float[] ascending, float score) {
    int low = 0;
    int high = ascending.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (ascending[middle] <= score) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return ascending.length - low;
  }

  /** A piece fit for a one-line message. */
  static String show(String text) {
    StringBuilder out = new StringBuilder("'");
    int shown = 0;
    for (int i = 0; i < text.length() && shown < 40; shown++) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      if (Character.isISOControl(c) || !Character.isDefined(c) || (c >= 0xD800 && c <= 0xDFFF)) {
        out.append(String.format(java.util.Locale.ROOT, "\\u%04X", c));
      } else {
        out.appendCodePoint(c);
      }
    }
    return out.append(shown == 40 ? "…'" : "'").toString();
  }
}
