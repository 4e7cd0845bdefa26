package dev.fovea.model.text;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Text to token ids and back, as LLaMA does it: spaces become U+2581, characters merge by byte-pair encoding, and what the
 * vocabulary lacks becomes its UTF-8 bytes.
 *
 * <p>What a user typed and what a template says are kept apart: added tokens such as {@code </s>} or {@code <image>} are looked for
 * in template text only, so nobody can type one. Both are still merged as one text, as the reference does with the joined string.
 *
 * <p>Immutable and safe for use by several threads. Nothing here adds a begin token; {@link #bos()} is the caller's to place.
 */
public final class Tokenizer {
  static final char SPACE = '\u2581';

  /** Where a text stands in a longer sequence of ids; it decides about the space in front. */
  public enum Position {
    /** Nothing before it, or only the begin token. */
    START,
    /** Right after an added token such as {@code </s>}. */
    AFTER_SPECIAL,
    /** In the middle of running text: no space is added. */
    INSIDE
  }

  /** What a reader hands over; the arrays reach over all ids. */
  @SuppressWarnings("ArrayRecordComponent") // never compared; handed over once
  record Parts(
      String[] pieces,
      float[] scores,
      PieceType[] types,
      Bpe bpe,
      int bos,
      int eos,
      int unk,
      int pad,
      boolean addBos,
      Prefix prefix,
      boolean splitWords,
      boolean removeExtraWhitespaces,
      boolean byteFallback,
      boolean stripFirstSpace,
      List<AddedToken> added) {}

  private final Parts parts;
  private final Map<String, AddedToken> byContent = new LinkedHashMap<>();
  private final Map<Integer, AddedToken> byId = new HashMap<>();
  private final AddedTokens rawTokens;
  private final AddedTokens normalizedTokens;

  Tokenizer(Parts parts) {
    this.parts = parts;
    Map<String, AddedToken> raw = new LinkedHashMap<>();
    Map<String, AddedToken> normalized = new LinkedHashMap<>();
    for (AddedToken token : parts.added) {
      byContent.put(token.content(), token);
      byId.put(token.id(), token);
      if (!token.normalized()) {
        raw.put(token.content(), token);
      } else if (parts.prefix.metaspace()) {
        normalized.put(token.content(), token);
      } else {
        String escaped = token.content().replace(' ', SPACE);
        normalized.put(parts.prefix.onTokens() ? SPACE + escaped : escaped, token);
      }
    }
    this.rawTokens = new AddedTokens(raw);
    this.normalizedTokens = new AddedTokens(normalized);
  }

  /** LLaMA's own vocabulary of 32,000 pieces, which LLaVA and Vicuna share. Read from this library once, then kept. */
  public static Tokenizer llama() {
    return Llama.TOKENIZER;
  }

  private static final class Llama {
    private static final String RESOURCE = "llama/tokenizer.model";
    static final Tokenizer TOKENIZER = read();

    private static Tokenizer read() {
      try (InputStream in = Tokenizer.class.getResourceAsStream(RESOURCE)) {
        if (in == null) {
          throw new FileException(Path.of(RESOURCE), "missing from this library");
        }
        Path name = Path.of(RESOURCE);
        return of(name, SentencePieceModel.parse(name, in.readAllBytes()));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /**
   * Opens the tokenizer of a checkpoint directory: {@code tokenizer.json} if there is one, else {@code tokenizer.model}, with the
   * settings of {@code tokenizer_config.json}, {@code special_tokens_map.json} and {@code added_tokens.json} beside it.
   *
   * @throws FileException if no tokenizer is there, or one that this engine would not reproduce exactly
   */
  public static Tokenizer open(Path directory) {
    return TokenizerFiles.open(directory, true);
  }

  /** As {@link #open}, but prefers {@code tokenizer.model}, as original LLaVA does ({@code use_fast=False}). */
  public static Tokenizer openSlow(Path directory) {
    return TokenizerFiles.open(directory, false);
  }

  /**
   * A tokenizer from a vocabulary with scores, e.g. GGUF metadata.
   *
   * @param file names the source in errors
   * @throws FileException if the vocabulary contradicts itself
   */
  public static Tokenizer of(Path file, TokenizerData data) {
    return new Tokenizer(ScoredVocabulary.parts(file, data));
  }

  /** The number of ids: every id below is a piece or an added token (or a gap that stands for nothing). */
  public int size() {
    return parts.pieces.length;
  }

  /** The begin token's id, or -1. */
  public int bos() {
    return parts.bos;
  }

  /** The end token's id, or -1. */
  public int eos() {
    return parts.eos;
  }

  /** The unknown token's id, or -1. */
  public int unk() {
    return parts.unk;
  }

  /** The padding token's id, or -1. */
  public int pad() {
    return parts.pad;
  }

  /** Whether a prompt begins with {@link #bos()}. */
  public boolean addBos() {
    return parts.addBos && parts.bos >= 0;
  }

  /** The vocabulary's own spelling of an id, e.g. {@code ▁world} or {@code <0x0A>}. */
  public String piece(int id) {
    if (id < 0 || id >= size()) {
      throw InputException.mismatch("token id", "0 to " + (size() - 1), id);
    }
    return parts.pieces[id];
  }

  public PieceType type(int id) {
    piece(id);
    return parts.types[id];
  }

  /** The added token with this content, if there is one. */
  public @Nullable AddedToken added(String content) {
    return byContent.get(content);
  }

  public List<AddedToken> added() {
    return List.copyOf(byContent.values());
  }

  /** Whether decoding skips this id: control tokens, the unknown token, and ids beyond the vocabulary. */
  public boolean isSpecial(int id) {
    if (id < 0 || id >= size()) {
      return true;
    }
    AddedToken token = byId.get(id);
    return token != null
        ? token.special()
        : switch (parts.types[id]) {
          case CONTROL, UNKNOWN -> true;
          case UNUSED -> parts.pieces[id].equals(gap(id));
          default -> false;
        };
  }

  /**
   * The vocabulary as SentencePiece and GGUF files hold it. For a {@code tokenizer.json}, whose merges carry ranks and no scores,
   * the scores are minus the rank of the first merge that makes the piece.
   */
  public TokenizerData data() {
    return new TokenizerData(
        parts.pieces.clone(),
        parts.scores.clone(),
        parts.types.clone(),
        parts.bos,
        parts.eos,
        parts.unk,
        parts.pad,
        parts.addBos,
        parts.prefix.scope() != Prefix.Scope.NEVER,
        parts.prefix.scope() == Prefix.Scope.ALWAYS,
        parts.byteFallback,
        parts.removeExtraWhitespaces,
        parts.added);
  }

  /**
   * This tokenizer with more added tokens, which get the next free ids in order, as {@code add_tokens} of the reference does; those
   * it has already stay as they are.
   */
  public Tokenizer withAdded(boolean special, String... contents) {
    Set<String> fresh = new LinkedHashSet<>();
    for (String content : contents) {
      if (content.isEmpty()) {
        throw InputException.mismatch("added token", "text", "nothing");
      }
      if (!byContent.containsKey(content)) {
        fresh.add(content);
      }
    }
    List<AddedToken> added = new ArrayList<>(parts.added);
    int id = size();
    for (String content : fresh) {
      added.add(AddedToken.of(id++, content, special));
    }
    return new Tokenizer(extend(parts, added));
  }

  /** The same parts with arrays long enough for the added tokens, whose content and type they then show. */
  static Parts extend(Parts p, List<AddedToken> added) {
    int size = p.pieces.length;
    for (AddedToken token : added) {
      size = Math.max(size, token.id() + 1);
    }
    String[] pieces = Arrays.copyOf(p.pieces, size);
    float[] scores = Arrays.copyOf(p.scores, size);
    PieceType[] types = Arrays.copyOf(p.types, size);
    for (int id = p.pieces.length; id < size; id++) {
      pieces[id] = gap(id);
      types[id] = PieceType.UNUSED;
    }
    for (AddedToken token : added) {
      if (token.id() >= p.pieces.length) {
        pieces[token.id()] = token.content();
        types[token.id()] = token.special() ? PieceType.CONTROL : PieceType.USER_DEFINED;
      }
    }
    return new Parts(
        pieces,
        scores,
        types,
        p.bpe,
        p.bos,
        p.eos,
        p.unk,
        p.pad,
        p.addBos,
        p.prefix,
        p.splitWords,
        p.removeExtraWhitespaces,
        p.byteFallback,
        p.stripFirstSpace,
        List.copyOf(added));
  }

  /** llama.cpp's name for an id that stands for nothing. */
  private static String gap(int id) {
    return "[PAD" + id + "]";
  }

  /** The ids of what a user typed; no added token is looked for, so typing {@code </s>} gives the pieces of its characters. */
  public int[] encodeText(String text) {
    return encode(List.of(Span.user(text)), Position.START);
  }

  /** The ids of template text; added tokens become their ids. */
  public int[] encodeTemplate(String text) {
    return encode(List.of(Span.template(text)), Position.START);
  }

  /**
   * The ids of the joined spans. Merging runs across spans; an added token is found only inside template text (neighbouring template
   * spans count as one). A lone surrogate is read as U+FFFD.
   */
  public int[] encode(List<Span> spans, Position position) {
    StringBuilder joined = new StringBuilder();
    List<int[]> template = new ArrayList<>();
    for (Span span : spans) {
      int from = joined.length();
      joined.append(span.text());
      if (span.template() && joined.length() > from) {
        int[] last = template.isEmpty() ? null : template.getLast();
        if (last != null && last[1] == from) {
          last[1] = joined.length();
        } else {
          template.add(new int[] {from, joined.length()});
        }
      }
    }
    String text = scalars(joined);
    IntBuffer out = new IntBuffer(text.length() / 2 + 8);
    cut(text, template, rawTokens, out, (from, to, ranges) -> {
      boolean first = from == 0;
      encodeFragment(
          text.substring(from, to), ranges, first, first ? position : Position.AFTER_SPECIAL, out);
    });
    return out.toArray();
  }

  /** Text between added tokens: normalize, cut out the tokens that are matched after that, merge the rest. */
  private void encodeFragment(
      String text, List<int[]> template, boolean first, Position position, IntBuffer out) {
    boolean wanted = switch (position) {
      case START -> parts.prefix.wanted(first);
      case AFTER_SPECIAL -> parts.prefix.wanted(false);
      case INSIDE -> false;
    };
    if (parts.prefix.metaspace()) {
      cut(text, template, normalizedTokens, out, (from, to, ranges) -> {
        String piece = text.substring(from, to).replace(' ', SPACE);
        boolean prefix = from == 0 ? wanted : parts.prefix.wanted(false);
        merge(prefix && piece.charAt(0) != SPACE ? SPACE + piece : piece, out);
      });
      return;
    }
    String escaped = (parts.removeExtraWhitespaces ? squeeze(text) : text).replace(' ', SPACE);
    if (escaped.isEmpty()) {
      return;
    }
    String normalized = wanted ? SPACE + escaped : escaped;
    // Normalization keeps lengths but for the space in front (and for squeezing, where tokens are
    // then looked for in no range).
    int shift = normalized.length() - text.length();
    List<int[]> ranges = new ArrayList<>();
    if (!normalizedTokens.isEmpty()) {
      for (int[] range : template) {
        ranges.add(new int[] {range[0] == 0 ? 0 : range[0] + shift, range[1] + shift});
      }
    }
    cut(
        normalized,
        ranges,
        normalizedTokens,
        out,
        (from, to, inner) -> merge(normalized.substring(from, to), out));
  }

  private void merge(String text, IntBuffer out) {
    if (!parts.splitWords) {
      parts.bpe.encode(text, 0, text.length(), out);
      return;
    }
    for (int from = 0; from < text.length(); ) {
      int to = text.indexOf(SPACE, from + 1);
      to = to < 0 ? text.length() : to;
      parts.bpe.encode(text, from, to, out);
      from = to;
    }
  }

  private interface Fragment {
    /**
     * @param template the template ranges inside the fragment, relative to {@code from}
     */
    void accept(int from, int to, List<int[]> template);
  }

  /** Emits the ids of added tokens and hands the text between them to {@code rest}, in order. */
  private static void cut(
      String text, List<int[]> template, AddedTokens tokens, IntBuffer out, Fragment rest) {
    int start = 0;
    int search = 0;
    if (!tokens.isEmpty() && !template.isEmpty()) {
      for (AddedTokens.Found found = tokens.next(text, template, 0);
          found != null;
          found = tokens.next(text, template, search)) {
        search = found.to();
        if (!found.stands(text)) {
          continue;
        }
        int from = found.from();
        int to = found.to();
        if (found.token().lstrip()) {
          while (from > 0 && AddedTokens.isSpace(text.charAt(from - 1))) {
            from--;
          }
          from = Math.max(from, start);
        }
        if (found.token().rstrip()) {
          while (to < text.length() && AddedTokens.isSpace(text.charAt(to))) {
            to++;
          }
        }
        if (start < from) {
          rest.accept(start, from, within(template, start, from));
        }
        out.add(found.token().id());
        start = to;
      }
    }
    if (start < text.length()) {
      rest.accept(start, text.length(), within(template, start, text.length()));
    }
  }

  private static List<int[]> within(List<int[]> ranges, int from, int to) {
    List<int[]> inside = new ArrayList<>();
    for (int[] range : ranges) {
      int a = Math.max(range[0], from);
      int b = Math.min(range[1], to);
      if (a < b) {
        inside.add(new int[] {a - from, b - from});
      }
    }
    return inside;
  }

  /** SentencePiece's remove_extra_whitespaces: no space at either end, never two in a row. */
  private static String squeeze(String text) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != ' ' || (!out.isEmpty() && out.charAt(out.length() - 1) != ' ')) {
        out.append(c);
      }
    }
    if (!out.isEmpty() && out.charAt(out.length() - 1) == ' ') {
      out.setLength(out.length() - 1);
    }
    return out.toString();
  }

  /** Replaces surrogates that are not half of a pair, which UTF-8 cannot hold. */
  private static String scalars(StringBuilder text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        text.setCharAt(i, '\uFFFD');
      }
    }
    return text.toString();
  }

  /** The text of the ids: {@link Detokenizer} run to its end. */
  public String decode(int... ids) {
    Detokenizer detokenizer = detokenizer();
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(detokenizer.append(id));
    }
    return text.append(detokenizer.finish()).toString();
  }

  /** A fresh streaming decoder, for one output. */
  public Detokenizer detokenizer() {
    return new Detokenizer(this, parts.stripFirstSpace);
  }

  /**
   * The id of an added token that must exist, e.g. an image marker.
   *
   * @throws InputException if there is none
   */
  public int requireAdded(String content) {
    AddedToken token = byContent.get(content);
    if (token == null) {
      throw new InputException("the tokenizer has no added token " + content);
    }
    return token.id();
  }
}
