package dev.fovea.engine;

import java.util.List;

/**
 * What the decoder reads before it answers.
 *
 * @param ids token ids, and −1−r for row r of all pictures' features, counted through
 * @param pictures features of each picture in the order their rows are counted
 */
public record Prompt(List<Integer> ids, List<Features> pictures) {

  public Prompt {
    ids = List.copyOf(ids);
    pictures = List.copyOf(pictures);
  }
}
