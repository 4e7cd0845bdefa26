package dev.fovea.server;

import dev.fovea.Answer;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The spots that an answer names, as JSON: in pixels of the picture, in parts of its sides, and with the asker's region that one lies on. */
final class Annotations {
  /** Two boxes are about the same thing if they share half of what they cover together, as object detection counts it. */
  private static final double LEAST_OVERLAP = 0.5;

  /** Two points are about the same thing if no further apart than this part of the picture's longer side. */
  private static final double NEAR = 0.02;

  private static final double NONE = -1;

  private Annotations() {}

  /** @param spots the asker's, on that picture */
  static void add(
      ArrayNode annotations,
      List<Answer.NamedRegion> named,
      ChatRequest.NamedPicture on,
      List<ChatRequest.Spot> spots) {
    Picture picture = on.picture();
    for (Answer.NamedRegion one : named) {
      ObjectNode node = annotations.addObject().put("type", "region").put("image", on.name());
      String shape = switch (one.region()) {
        case Region.Box b -> "box";
        case Region.Point p -> "point";
        case Region.Polygon p -> "polygon";
      };
      ArrayNode pixels = node.putArray(shape);
      ArrayNode relative = node.putArray("relative");
      for (Region.Vertex v : one.region().vertices()) {
        pixels.add(v.x()).add(v.y());
        relative.add(v.x() / picture.width()).add(v.y() / picture.height());
      }
      ChatRequest.Spot same = same(one.region(), spots, picture);
      if (same != null) {
        node.put("region", same.id());
      }
      node.put("start_index", one.start()).put("end_index", one.end());
    }
  }

  /** The region that a spot agrees with best, if it does. */
  private static ChatRequest.@Nullable Spot same(
      Region named, List<ChatRequest.Spot> spots, Picture picture) {
    Bounds at = Bounds.of(named, picture);
    return spots.stream()
        .filter(s -> at.agreement(Bounds.of(s.region(), picture)) > NONE)
        .max(Comparator.comparingDouble(s -> at.agreement(Bounds.of(s.region(), picture))))
        .orElse(null);
  }

  /** The smallest box round a region, in parts of the picture's longer side; without width and height it is a point. */
  private record Bounds(double x1, double y1, double x2, double y2) {

    static Bounds of(Region region, Picture picture) {
      double longest = Math.max(picture.width(), picture.height());
      boolean relative = region.units() == Units.RELATIVE;
      double x = (relative ? picture.width() : 1) / longest;
      double y = (relative ? picture.height() : 1) / longest;
      Bounds b = new Bounds(
          Double.POSITIVE_INFINITY,
          Double.POSITIVE_INFINITY,
          Double.NEGATIVE_INFINITY,
          Double.NEGATIVE_INFINITY);
      for (Region.Vertex v : region.vertices()) {
        b = new Bounds(
            Math.min(b.x1, x * v.x()),
            Math.min(b.y1, y * v.y()),
            Math.max(b.x2, x * v.x()),
            Math.max(b.y2, y * v.y()));
      }
      return b;
    }

    /** The more, the better: overlap of two boxes, smallness of a box round a point, nearness of two points. */
    double agreement(Bounds other) {
      if (isPoint() && other.isPoint()) {
        double apart = Math.hypot(x1 - other.x1, y1 - other.y1);
        return apart <= NEAR ? 1 - apart : NONE;
      }
      double shared = Math.max(0, Math.min(x2, other.x2) - Math.max(x1, other.x1))
          * Math.max(0, Math.min(y2, other.y2) - Math.max(y1, other.y1));
      if (isPoint() || other.isPoint()) {
        Bounds box = isPoint() ? other : this;
        return box.holds(isPoint() ? this : other) ? 1 - box.area() : NONE;
      }
      double overlap = shared / (area() + other.area() - shared);
      return overlap >= LEAST_OVERLAP ? overlap : NONE;
    }

    private boolean isPoint() {
      return area() == 0;
    }

    private boolean holds(Bounds point) {
      return x1 <= point.x1 && point.x1 <= x2 && y1 <= point.y1 && point.y1 <= y2;
    }

    private double area() {
      return (x2 - x1) * (y2 - y1);
    }
  }
}
