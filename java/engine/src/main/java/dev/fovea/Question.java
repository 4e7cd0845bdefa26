package dev.fovea;

import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import java.util.ArrayList;
import java.util.List;

/**
 * One turn of a conversation.
 *
 * @param text the words; {@code {region1}}, {@code {region2}} say where regions go, else they follow the words
 * @param pictures new pictures of this turn, in order
 * @param regions spots in the conversation's latest picture
 * @param raw the text is the whole prompt, with {@code <image>} where each picture goes, and no template is put round it
 */
public record Question(String text, List<Picture> pictures, List<Region> regions, boolean raw) {

  public Question {
    pictures = List.copyOf(pictures);
    regions = List.copyOf(regions);
  }

  public static Question of(String text) {
    return new Question(text, List.of(), List.of(), false);
  }

  public Question picture(Picture p) {
    List<Picture> more = new ArrayList<>(pictures);
    more.add(p);
    return new Question(text, more, regions, raw);
  }

  public Question region(Region r) {
    List<Region> more = new ArrayList<>(regions);
    more.add(r);
    return new Question(text, pictures, more, raw);
  }

  public Question asRaw() {
    return new Question(text, pictures, regions, true);
  }
}
