package dev.fovea;

import dev.fovea.error.InputException;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import java.util.ArrayList;
import java.util.List;

/**
 * One turn of a conversation.
 *
 * @param text the words; {@code {region1}}, {@code {region2}} say where regions go, else they follow the words
 * @param pictures new pictures of this turn, in order
 * @param regions spots in the conversation's latest picture, unless {@code marks} say otherwise
 * @param raw the text is the whole prompt, with {@code <image>} where each picture goes, and no template is put round it
 * @param marks empty, or for each region what stands for it in the words and which picture it is a spot of
 */
public record Question(
    String text, List<Picture> pictures, List<Region> regions, boolean raw, List<Mark> marks) {

  /**
   * What ties a region to words and picture.
   *
   * @param text each occurrence of it in the words becomes the region
   * @param picture from 0, of the whole conversation's pictures
   */
  public record Mark(String text, int picture) {
    public Mark {
      if (text.isEmpty()) {
        throw InputException.mismatch("mark of a region", "a text", "nothing");
      }
    }
  }

  public Question {
    pictures = List.copyOf(pictures);
    regions = List.copyOf(regions);
    marks = List.copyOf(marks);
    if (!marks.isEmpty() && marks.size() != regions.size()) {
      throw InputException.mismatch("marks", "one for each region, or none", marks.size());
    }
  }

  /** Regions of the conversation's latest picture, in their numbered places. */
  public Question(String text, List<Picture> pictures, List<Region> regions, boolean raw) {
    this(text, pictures, regions, raw, List.of());
  }

  public static Question of(String text) {
    return new Question(text, List.of(), List.of(), false);
  }

  public Question picture(Picture p) {
    return new Question(text, and(pictures, p), regions, raw, marks);
  }

  public Question region(Region r) {
    return new Question(text, pictures, and(regions, r), raw, marks);
  }

  /** A region of any picture, wherever its mark stands in the words. */
  public Question region(Region r, Mark mark) {
    return new Question(text, pictures, and(regions, r), raw, and(marks, mark));
  }

  public Question asRaw() {
    return new Question(text, pictures, regions, true, marks);
  }

  private static <T> List<T> and(List<T> list, T one) {
    List<T> more = new ArrayList<>(list);
    more.add(one);
    return more;
  }
}
