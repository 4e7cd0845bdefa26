package dev.fovea;

import dev.fovea.model.prompt.Region;
import java.util.List;

/**
 * What came back.
 *
 * @param text the answer, without stop strings
 * @param tokens its tokens
 * @param promptTokenIds the prompt; −200 for each picture
 * @param regions boxes and points that the answer names, in pixels of the conversation's latest picture
 * @param warnings about the question, e.g. a region partly outside what the model sees
 * @param backend what computed it
 */
public record Answer(
    String text,
    List<Token> tokens,
    List<Integer> promptTokenIds,
    FinishReason finishReason,
    Usage usage,
    Timings timings,
    List<NamedRegion> regions,
    List<String> warnings,
    String backend) {

  /**
   * A region that an answer names.
   *
   * @param region in pixels of the original picture
   * @param start where its text begins in the answer
   * @param end where it ends
   */
  public record NamedRegion(Region region, int start, int end) {}

  public List<Integer> tokenIds() {
    return tokens.stream().map(Token::id).toList();
  }
}
