package dev.fovea.server;

import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A chat completion that is asked for.
 *
 * @param model its name as asked; null for whichever there is
 * @param system a system text in place of the template's; null for that
 * @param history earlier questions and what was answered
 * @param question the last message
 * @param pictures all pictures, in order
 * @param spots all regions, in order
 * @param choices how many answers
 * @param stream as events, one for each piece of text
 * @param usage an event with the usage at the end
 * @param logprobs whether to report probabilities; {@code generation} says of how many tokens
 * @param top how many of the likeliest tokens to list beside each
 * @param ignored fields of no meaning here
 */
record ChatRequest(
    @Nullable String model,
    @Nullable String system,
    List<Exchange> history,
    Question question,
    List<NamedPicture> pictures,
    List<Spot> spots,
    Generation generation,
    int choices,
    boolean stream,
    boolean usage,
    boolean logprobs,
    int top,
    List<String> ignored) {

  /** A question and its answer. */
  record Exchange(Question question, String answer) {}

  /** A picture and what the asker calls it. */
  record NamedPicture(String name, Picture picture) {}

  /**
   * A region of a picture.
   *
   * @param id as the text refers to it, {@code <id>}
   * @param picture which of the pictures
   * @param field where the request has it
   */
  record Spot(String id, Region region, int picture, String field) {
    String mark() {
      return "<" + id + ">";
    }
  }
}
