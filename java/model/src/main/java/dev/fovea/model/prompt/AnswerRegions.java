package dev.fovea.model.prompt;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds the coordinates a model wrote in its answer and maps them back to the original picture. Reads {@code [a, b, c, d]}, {@code
 * [a, b]}, several joined by {@code ;}, {@code <box>…</box>} and {@code <point>…</point>}, with or without spaces; numbers are parts of
 * the side if they are 0 to 1, thousandths if they are whole. What does not read as coordinates is left alone.
 */
public final class AnswerRegions {
  /** More than any answer holds; what follows is not looked at. */
  private static final int MOST_REGIONS = 256;

  /** Numbers in one bracket: a polygon of 256 corners. */
  private static final int MOST_NUMBERS = 512;

  /** How far outside the square a model may write before the numbers are taken for something else. */
  private static final double SLACK = 0.05;

  private static final List<String[]> WRAPPERS = List.of(
      new String[] {"<box>", "</box>"}, new String[] {"<point>", "</point>"}, new String[] {"[", "]"
      });

  private AnswerRegions() {}

  /**
   * A region in an answer.
   *
   * @param start  where its text begins, in chars
   * @param end    where its text ends
   * @param region in pixels of the original picture, cut at its edges
   */
  public record Found(int start, int end, Region region) {}

  /** The regions of an answer in order, at most 256. */
  public static List<Found> parse(String answer, RegionPreset preset, ImageFrame frame) {
    List<Found> found = new ArrayList<>();
    int at = 0;
    while (at < answer.length() && found.size() < MOST_REGIONS) {
      int next = at + 1;
      for (String[] wrapper : WRAPPERS) {
        if (!answer.startsWith(wrapper[0], at)) {
          continue;
        }
        int from = at + wrapper[0].length();
        int to = from;
        while (to < answer.length() && isCoordinate(answer.charAt(to), wrapper[0].equals("["))) {
          to++;
        }
        if (!answer.startsWith(wrapper[1], to)) {
          break;
        }
        List<Region> regions = read(answer.substring(from, to), preset, frame);
        if (regions != null) {
          int end = to + wrapper[1].length();
          for (Region region : regions) {
            found.add(new Found(at, end, region));
          }
          next = end;
        }
        break;
      }
      at = next;
    }
    return found.size() > MOST_REGIONS
        ? List.copyOf(found.subList(0, MOST_REGIONS))
        : List.copyOf(found);
  }

  private static boolean isCoordinate(char c, boolean bracket) {
    return (c >= '0' && c <= '9')
        || c == '.'
        || c == ','
        || c == ';'
        || c == ' '
        || c == '-'
        || (!bracket && (c == '[' || c == ']'));
  }

  /** The regions of a bracket's inside, or null if it is something else. */
  private static @Nullable List<Region> read(String inside, RegionPreset preset, ImageFrame frame) {
    String text = inside.strip();
    if (text.startsWith("[") && text.endsWith("]")) {
      text = text.substring(1, text.length() - 1);
    }
    List<Region> regions = new ArrayList<>();
    int numbers = 0;
    for (String group : text.split(";", MOST_REGIONS)) {
      String[] parts = group.split(",", MOST_NUMBERS + 1);
      numbers += parts.length;
      if (parts.length % 2 != 0 || numbers > MOST_NUMBERS) {
        return null;
      }
      double[] values = numbers(parts, preset);
      if (values == null) {
        return null;
      }
      Region region = region(values, frame);
      if (region != null) {
        regions.add(region);
      }
    }
    return regions;
  }

  private static double @Nullable [] numbers(String[] parts, RegionPreset preset) {
    double[] values = new double[parts.length];
    boolean whole = true;
    double most = 0;
    for (int i = 0; i < parts.length; i++) {
      String part = parts[i].strip();
      if (!isNumber(part)) {
        return null;
      }
      values[i] = Double.parseDouble(part);
      whole &= part.indexOf('.') < 0;
      most = Math.max(most, values[i]);
    }
    boolean thousandths = whole && (preset.factor() == 1000 || most > 1);
    for (int i = 0; i < values.length; i++) {
      values[i] = thousandths ? values[i] / 1000 : values[i];
      if (values[i] < -SLACK || values[i] > 1 + SLACK) {
        return null;
      }
      values[i] = Math.clamp(values[i], 0.0, 1.0);
    }
    return values;
  }

  /** An optional minus, up to 12 digits and a point among them. */
  private static boolean isNumber(String text) {
    int digits = 0;
    int points = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c >= '0' && c <= '9') {
        digits++;
      } else if (c == '.') {
        points++;
      } else if (c != '-' || i > 0) {
        return false;
      }
    }
    return digits >= 1 && digits <= 12 && points <= 1;
  }

  /** In pixels, cut at the picture's edges; null if nothing is left. */
  private static @Nullable Region region(double[] values, ImageFrame frame) {
    double[] pixels = new double[values.length];
    for (int i = 0; i < values.length; i += 2) {
      pixels[i] = Math.clamp(frame.x().pixel(values[i]), 0.0, frame.width());
      pixels[i + 1] = Math.clamp(frame.y().pixel(values[i + 1]), 0.0, frame.height());
    }
    if (pixels.length == 2) {
      return new Region.Point(pixels[0], pixels[1], Units.PIXEL);
    }
    if (pixels.length > 4) {
      return Region.Polygon.of(Units.PIXEL, pixels);
    }
    double x1 = Math.min(pixels[0], pixels[2]);
    double x2 = Math.max(pixels[0], pixels[2]);
    double y1 = Math.min(pixels[1], pixels[3]);
    double y2 = Math.max(pixels[1], pixels[3]);
    return x1 < x2 && y1 < y2 ? new Region.Box(x1, y1, x2, y2, Units.PIXEL) : null;
  }
}
