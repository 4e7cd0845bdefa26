package dev.fovea.model.text;

/**
 * A stretch of text to tokenize.
 *
 * @param template whether added tokens ({@code </s>}, {@code <image>} …) are looked for in it; false for what a user typed
 */
public record Span(String text, boolean template) {

  public static Span template(String text) {
    return new Span(text, true);
  }

  public static Span user(String text) {
    return new Span(text, false);
  }
}
