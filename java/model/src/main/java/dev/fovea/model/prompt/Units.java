package dev.fovea.model.prompt;

/** What coordinates count in; always of the original picture, origin top left. */
public enum Units {
  /** Pixels; the right and bottom edges are at the width and height. */
  PIXEL,
  /** Parts of the width and height, 0 to 1. */
  RELATIVE
}
