package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a user says at once.
 *
 * @param question the words, with regions already written out; may place images itself
 * @param images   pictures new in this turn, which the template places; empty if {@code question} places them
 */
public record Turn(List<Segment> question, List<Integer> images) {
  public Turn {
    question = List.copyOf(question);
    images = List.copyOf(images);
    boolean placed = question.stream().anyMatch(Segment.Image.class::isInstance);
    if (placed && !images.isEmpty()) {
      throw InputException.mismatch(
          "turn", "images placed by the question or by the template", "both");
    }
  }

  /** Typed words about pictures that the template places. */
  public static Turn of(String text, Integer... images) {
    return new Turn(List.of(new Segment.User(text)), List.of(images));
  }

  /**
   * Typed words in which each {@code <image>} stands for the next of these pictures; all else is plain text.
   *
   * @throws InputException if there are not as many markers as pictures
   */
  public static Turn marked(String text, Integer... images) {
    List<Segment> question = new ArrayList<>();
    int used = 0;
    int from = 0;
    for (int at = text.indexOf(Segment.IMAGE_MARKER);
        at >= 0;
        at = text.indexOf(Segment.IMAGE_MARKER, from)) {
      if (used == images.length) {
        throw InputException.mismatch(Segment.IMAGE_MARKER + " markers", images.length, "more");
      }
      if (at > from) {
        question.add(new Segment.User(text.substring(from, at)));
      }
      question.add(new Segment.Image(images[used++]));
      from = at + Segment.IMAGE_MARKER.length();
    }
    if (used != images.length) {
      throw InputException.mismatch(Segment.IMAGE_MARKER + " markers", images.length, used);
    }
    question.add(new Segment.User(text.substring(from)));
    return new Turn(question, List.of());
  }
}
