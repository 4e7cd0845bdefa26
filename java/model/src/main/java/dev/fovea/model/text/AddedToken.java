package dev.fovea.model.text;

/**
 * A string that is one token wherever template text holds it, before any merging; it is never looked for in user text. The flags
 * mean what they mean in Hugging Face's {@code tokenizer.json}.
 *
 * @param id         its token id
 * @param content    the string
 * @param special    a control token: decoding skips it
 * @param lstrip     a match also swallows the white space before it
 * @param rstrip     a match also swallows the white space after it
 * @param normalized looked for after normalization (spaces are then already U+2581) instead of before
 * @param singleWord matches only where no word character touches it
 */
public record AddedToken(
    int id,
    String content,
    boolean special,
    boolean lstrip,
    boolean rstrip,
    boolean normalized,
    boolean singleWord) {

  /** A token matched as it stands: no stripping, before normalization, anywhere. */
  public static AddedToken of(int id, String content, boolean special) {
    return new AddedToken(id, content, special, false, false, false, false);
  }
}
