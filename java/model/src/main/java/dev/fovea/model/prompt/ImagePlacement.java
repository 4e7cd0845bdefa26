package dev.fovea.model.prompt;

import java.util.ArrayList;
import java.util.List;

/** Where a template puts the pictures of a turn. */
public enum ImagePlacement {
  /** {@code <image>\n} before the words: LLaVA 1.0 and later. */
  FIRST_LINE,
  /** {@code \n<image>} after the words: LLaVA of July 2023. */
  LAST_LINE,
  /** {@code Given an image <image>. } before the words: ChatSpot, arXiv:2307.09474, section 3.2. */
  INLINE,
  /** {@code <image>} directly before the words: LLaVA's stage-1 format. */
  BARE,
  /** {@code <Image><image></Image>} as a turn of its own, answered "Received.": LLaVA's mmtag templates. */
  OWN_TURN;

  List<Segment> place(Turn turn) {
    List<Segment> out = new ArrayList<>();
    if (this == LAST_LINE) {
      out.addAll(turn.question());
    }
    for (int index : turn.images()) {
      switch (this) {
        case LAST_LINE -> out.add(new Segment.Fixed("\n"));
        case INLINE -> out.add(new Segment.Fixed("Given an image "));
        case OWN_TURN -> out.add(new Segment.Fixed("<Image>"));
        default -> {}
      }
      out.add(new Segment.Image(index));
      switch (this) {
        case FIRST_LINE -> out.add(new Segment.Fixed("\n"));
        case INLINE -> out.add(new Segment.Fixed(". "));
        case OWN_TURN -> out.add(new Segment.Fixed("</Image>"));
        default -> {}
      }
    }
    if (this != LAST_LINE && this != OWN_TURN) {
      out.addAll(turn.question());
    }
    return out;
  }
}
