package dev.fovea.model.text;

import dev.fovea.error.InputException;
import java.util.Arrays;

/**
 * Turns ids into text as they arrive and never hands out half a character: bytes wait until they make a whole one or cannot any
 * more. All parts joined equal the one-shot decoding. One output per instance; not for several threads.
 *
 * <p>As SentencePiece decodes: U+2581 becomes a space; one space at the very start goes (it is the one encoding put there); control
 * and unknown tokens and ids beyond the vocabulary give nothing; a byte that is part of no valid UTF-8 sequence gives one U+FFFD.
 */
public final class Detokenizer {
  private final Tokenizer tokenizer;
  private final boolean stripFirstSpace;
  private final byte[] pending = new byte[4];
  private int pendingSize;
  private boolean started;

  Detokenizer(Tokenizer tokenizer, boolean stripFirstSpace) {
    this.tokenizer = tokenizer;
    this.stripFirstSpace = stripFirstSpace;
  }

  /**
   * Takes the next id and returns the text that is now certain, often one word, sometimes nothing.
   *
   * @throws InputException if the id is negative
   */
  public String append(int id) {
    if (id < 0) {
      throw InputException.mismatch("token id", "0 or more", id);
    }
    StringBuilder out = new StringBuilder();
    if (id < tokenizer.size() && tokenizer.type(id) == PieceType.BYTE) {
      pending[pendingSize++] = (byte) Integer.parseInt(tokenizer.piece(id), 3, 5, 16);
      drain(out, false);
    } else {
      drain(out, true);
      if (!tokenizer.isSpecial(id)) {
        String piece = tokenizer.piece(id);
        boolean strip =
            stripFirstSpace && !started && out.isEmpty() && piece.charAt(0) == Tokenizer.SPACE;
        out.append(piece.replace(Tokenizer.SPACE, ' '), strip ? 1 : 0, piece.length());
        started |= strip;
      }
    }
    started |= !out.isEmpty();
    return out.toString();
  }

  /** The end of the output: bytes still waiting become U+FFFD. */
  public String finish() {
    StringBuilder out = new StringBuilder();
    drain(out, true);
    return out.toString();
  }

  /** Decodes waiting bytes; with {@code all}, also those whose character will not be completed. */
  private void drain(StringBuilder out, boolean all) {
    int at = 0;
    while (at < pendingSize) {
      int lead = pending[at] & 0xff;
      int length = lead < 0x80
          ? 1
          : lead >= 0xC0 && lead < 0xE0
              ? 2
              : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF8 ? 4 : 0;
      int have = Math.min(length, pendingSize - at);
      boolean trails = length > 0;
      for (int i = 1; i < have; i++) {
        trails &= (pending[at + i] & 0xC0) == 0x80;
      }
      if (trails && have < length && !all) {
        break;
      }
      int c = trails && have == length ? character(at, length) : -1;
      if (c < 0) {
        out.append('\uFFFD');
        at++;
      } else {
        out.appendCodePoint(c);
        at += length;
      }
    }
    System.arraycopy(pending, at, pending, 0, pendingSize - at);
    Arrays.fill(pending, pendingSize - at, pending.length, (byte) 0);
    pendingSize -= at;
  }

  /** The code point of a complete sequence, or -1 if it is overlong, a surrogate, or beyond U+10FFFF. */
  private int character(int at, int length) {
    int c = length == 1 ? pending[at] : pending[at] & (0x7f >> length);
    for (int i = 1; i < length; i++) {
      c = c << 6 | (pending[at + i] & 0x3F);
    }
    int least = length == 1 ? 0 : length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    boolean valid = c >= least && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    return valid ? c : -1;
  }
}
