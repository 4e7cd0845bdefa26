package dev.fovea;

import java.util.List;

/**
 * A token of an answer as it comes.
 *
 * @param id its id
 * @param text what it adds to the text; empty while a character is incomplete or may turn out to be a stop string
 * @param logprob natural logarithm of its probability before sampling changed it; NaN unless asked for
 * @param top the most likely tokens in its place, if asked for
 */
public record Token(int id, String text, double logprob, List<Alternative> top) {

  /** A token that might have come instead. */
  public record Alternative(int id, String piece, double logprob) {}
}
