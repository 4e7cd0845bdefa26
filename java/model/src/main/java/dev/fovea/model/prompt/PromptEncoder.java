package dev.fovea.model.prompt;

import dev.fovea.model.text.AddedToken;
import dev.fovea.model.text.Span;
import dev.fovea.model.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Segments to token ids, in the two ways checkpoints were trained.
 *
 * <p>{@link ImageStyle#PIECEWISE}, original LLaVA: the prompt is cut at each picture and every piece is tokenized as a text of its own,
 * so each gets its space in front; one begin token stands at the very start. {@link ImageStyle#ADDED_TOKEN}, Hugging Face: {@code
 * <image>} is an added token of one text, and whether a space follows it is the tokenizer's rule.
 *
 * <p>A conversation grows by {@link #extend}: the ids so far stay as they are and what is new is tokenized on its own. That equals
 * tokenizing the longer conversation at once wherever the seam is a place no merge crosses: at an added token such as {@code </s>},
 * or at a space that no space precedes, in vocabularies whose pieces have spaces only in front (LLaMA's has). So it is exact for the
 * templates whose answers end in {@code </s>} (llava_llama_2: if the answer ends in no space). It may differ by a merge where an answer is followed by {@code ###} directly, and where a model chose
 * ids for its answer that are not those its text would get; the ids the model really saw are the better ones to keep.
 */
public final class PromptEncoder {
  /** Holds a picture's place, as LLaVA's IMAGE_TOKEN_INDEX. */
  public static final int IMAGE = -200;

  /** How pictures sit in the text. */
  public enum ImageStyle {
    /** Text around a picture is tokenized apart. */
    PIECEWISE,
    /** As PIECEWISE, with {@code <im_start>} and {@code <im_end>} around (mm_use_im_start_end). */
    PIECEWISE_START_END,
    /** {@code <image>} is a token of the text. */
    ADDED_TOKEN;

    /** What a tokenizer can do: the marker as a token where it has one, else text tokenized apart. */
    public static ImageStyle of(Tokenizer tokenizer) {
      return tokenizer.added(Segment.IMAGE_MARKER) != null ? ADDED_TOKEN : PIECEWISE;
    }
  }

  private static final String START = "<im_start>";
  private static final String END = "<im_end>";

  private final Tokenizer tokenizer;
  private final ImageStyle style;
  private final int imageToken;

  /**
   * An encoder for one checkpoint.
   *
   * @throws dev.fovea.error.InputException if the style needs an added token that the tokenizer lacks
   */
  public PromptEncoder(Tokenizer tokenizer, ImageStyle style) {
    this.tokenizer = tokenizer;
    this.style = style;
    switch (style) {
      case PIECEWISE -> imageToken = IMAGE;
      case PIECEWISE_START_END -> {
        tokenizer.requireAdded(START);
        tokenizer.requireAdded(END);
        imageToken = IMAGE;
      }
      case ADDED_TOKEN -> imageToken = tokenizer.requireAdded(Segment.IMAGE_MARKER);
      default -> throw new IllegalArgumentException(style.name());
    }
  }

  /** The ids of a prompt from its start, with the begin token if the tokenizer adds one. */
  public PromptIds encode(List<Segment> segments) {
    return encode(segments, Tokenizer.Position.START, tokenizer.addBos());
  }

  /**
   * The ids of what comes next in a prompt that has begun.
   *
   * @param lastId the last id so far; after an added token the tokenizer may put a space in front
   */
  public PromptIds extend(int lastId, List<Segment> segments) {
    boolean special = lastId == IMAGE;
    for (AddedToken token : tokenizer.added()) {
      special |= token.id() == lastId;
    }
    // After a picture a piecewise text starts anew; an image token is an added token like others.
    Tokenizer.Position position = !special
        ? Tokenizer.Position.INSIDE
        : lastId == IMAGE && style != ImageStyle.ADDED_TOKEN
            ? Tokenizer.Position.START
            : Tokenizer.Position.AFTER_SPECIAL;
    return encode(segments, position, false);
  }

  private PromptIds encode(List<Segment> segments, Tokenizer.Position position, boolean bos) {
    List<Integer> images = new ArrayList<>();
    List<int[]> chunks = new ArrayList<>();
    List<Span> spans = new ArrayList<>();
    Tokenizer.Position at = position;
    if (bos) {
      chunks.add(new int[] {tokenizer.bos()});
    }
    for (Segment segment : segments) {
      switch (segment) {
        case Segment.Fixed(String text) -> spans.add(Span.template(text));
        case Segment.User(String text) -> spans.add(Span.user(text));
        case Segment.Image(int index) -> {
          images.add(index);
          if (style == ImageStyle.ADDED_TOKEN) {
            spans.add(Span.template(Segment.IMAGE_MARKER));
            continue;
          }
          if (style == ImageStyle.PIECEWISE_START_END) {
            spans.add(Span.template(START));
          }
          chunks.add(tokenizer.encode(spans, at));
          chunks.add(new int[] {IMAGE});
          spans.clear();
          at = Tokenizer.Position.START;
          if (style == ImageStyle.PIECEWISE_START_END) {
            spans.add(Span.template(END));
          }
        }
      }
    }
    chunks.add(tokenizer.encode(spans, at));
    int[] ids = chunks.stream()
        .flatMapToInt(Arrays::stream)
        .map(id -> id == imageToken ? IMAGE : id)
        .toArray();
    return new PromptIds(ids, images.stream().mapToInt(Integer::intValue).toArray());
  }
}
