package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.List;

/** A part of a prompt. Who wrote it decides whether strings such as {@code </s>} in it are tokens. */
public sealed interface Segment {
  /** The marker that a raw prompt holds where a picture goes. */
  String IMAGE_MARKER = "<image>";

  /** Text of a template or of this engine: added tokens in it become their ids. */
  record Fixed(String text) implements Segment {}

  /** Text somebody typed, or a model answered: no added token is looked for in it. */
  record User(String text) implements Segment {}

  /** The picture with this index, from 0. */
  record Image(int index) implements Segment {
    public Image {
      if (index < 0) {
        throw InputException.mismatch("image index", "0 or more", index);
      }
    }
  }

  /**
   * A whole prompt written by hand: each {@code <image>} is the next picture, and special strings count as tokens, since nothing
   * else was there to place them.
   */
  static List<Segment> raw(String prompt) {
    List<Segment> segments = new ArrayList<>();
    int images = 0;
    int from = 0;
    for (int at = prompt.indexOf(IMAGE_MARKER); at >= 0; at = prompt.indexOf(IMAGE_MARKER, from)) {
      if (at > from) {
        segments.add(new Fixed(prompt.substring(from, at)));
      }
      segments.add(new Image(images++));
      from = at + IMAGE_MARKER.length();
    }
    if (from < prompt.length()) {
      segments.add(new Fixed(prompt.substring(from)));
    }
    return segments;
  }

  /** The segments as one string with {@code <image>} for pictures; for people and tests, not for tokenizing. */
  static String show(List<Segment> segments) {
    StringBuilder out = new StringBuilder();
    for (Segment segment : segments) {
      switch (segment) {
        case Fixed(String text) -> out.append(text);
        case User(String text) -> out.append(text);
        case Image(int index) -> out.append(IMAGE_MARKER);
      }
    }
    return out.toString();
  }
}
