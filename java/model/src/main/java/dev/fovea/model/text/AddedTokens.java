package dev.fovea.model.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Finds added tokens in text: at each place the longest, from left to right, as Hugging Face tokenizers and SentencePiece do. */
final class AddedTokens {
  private final Map<Long, Integer> edges = new HashMap<>();
  private final Map<Integer, AddedToken> ends = new HashMap<>();

  /**
   * @param texts what to look for, by token; usually the token's content
   */
  AddedTokens(Map<String, AddedToken> texts) {
    int nodes = 1;
    for (Map.Entry<String, AddedToken> entry : texts.entrySet()) {
      int node = 0;
      for (int i = 0; i < entry.getKey().length(); i++) {
        long edge = edge(node, entry.getKey().charAt(i));
        Integer child = edges.get(edge);
        if (child == null) {
          child = nodes++;
          edges.put(edge, child);
        }
        node = child;
      }
      ends.put(node, entry.getValue());
    }
  }

  boolean isEmpty() {
    return ends.isEmpty();
  }

  /**
   * The next match at or after {@code at}.
   *
   * @param template the ranges of {@code text} that may hold tokens, as [from, to) pairs in order, disjoint; a match lies inside one
   */
  @Nullable
  Found next(String text, List<int[]> template, int at) {
    for (int[] range : template) {
      for (int from = Math.max(range[0], at); from < range[1]; from++) {
        int node = 0;
        Found longest = null;
        for (int i = from; i < range[1]; i++) {
          Integer child = edges.get(edge(node, text.charAt(i)));
          if (child == null) {
            break;
          }
          node = child;
          AddedToken token = ends.get(node);
          if (token != null) {
            longest = new Found(token, from, i + 1);
          }
        }
        if (longest != null) {
          return longest;
        }
      }
    }
    return null;
  }

  /** A literal occurrence at {@code [from, to)}. */
  record Found(AddedToken token, int from, int to) {
    /** Whether {@code singleWord} allows it here. */
    boolean stands(String text) {
      return !token.singleWord()
          || ((from == 0 || !isWord(text.codePointBefore(from)))
              && (to == text.length() || !isWord(text.codePointAt(to))));
    }
  }

  private static long edge(int node, char c) {
    return (long) node << 16 | c;
  }

  /** Unicode's {@code \w}: alphabetic, mark, decimal number, connector punctuation, join control (UTS #18, annex C). */
  static boolean isWord(int c) {
    if (Character.isAlphabetic(c) || c == 0x200C || c == 0x200D) {
      return true;
    }
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.COMBINING_SPACING_MARK,
          Character.DECIMAL_DIGIT_NUMBER,
          Character.CONNECTOR_PUNCTUATION -> true;
      default -> false;
    };
  }

  /** Unicode's White_Space property, which is what {@code \s} means to the tokenizers' regular expressions. */
  static boolean isSpace(int c) {
    return (c >= 9 && c <= 13)
        || c == 0x20
        || c == 0x85
        || c == 0xA0
        || c == 0x1680
        || (c >= 0x2000 && c <= 0x200A)
        || c == 0x2028
        || c == 0x2029
        || c == 0x202F
        || c == 0x205F
        || c == 0x3000;
  }
}
