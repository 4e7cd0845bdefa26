package dev.fovea.model.image;

/** How a picture of any shape becomes a square of side S. */
public enum ImageMode {
  /** Stretch each axis on its own to S; nothing is cut, the aspect ratio is lost. ChatSpot's and MMGPT's {@code resize}. */
  RESIZE,
  /**
   * Centre the picture on a square of its longer side, filled with the mean colour, then scale that square to S. LLaVA-1.5's
   * {@code image_aspect_ratio: pad}.
   */
  PAD,
  /** As {@link #PAD}, but the picture lies in the top-left corner of the square. MMGPT's {@code pad}. */
  PAD_TOP_LEFT,
  /** Scale the shorter side to S and keep the S × S centre; what sticks out is lost. CLIP's own, and LLaVA v1's {@code square}. */
  CROP
}
