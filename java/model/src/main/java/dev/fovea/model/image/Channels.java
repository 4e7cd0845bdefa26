package dev.fovea.model.image;

/** One number for each colour channel, of a scale where black is 0 and full light is 1. */
public record Channels(double red, double green, double blue) {

  /** As a colour {@code 0xRRGGBB}, cut to whole steps of 1/255 as LLaVA does. */
  int toColor() {
    return ((int) (red * 255) << 16) | ((int) (green * 255) << 8) | (int) (blue * 255);
  }
}
