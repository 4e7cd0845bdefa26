package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.List;

/** A spot of the original picture. ChatSpot's general form is a list of points; one is a point, two a box, more a polygon. */
public sealed interface Region {
  Units units();

  /** Its points, in the order they are written in a prompt. */
  List<Vertex> vertices();

  private static void finite(double x, double y) {
    if (!Double.isFinite(x) || !Double.isFinite(y)) {
      throw InputException.mismatch("region coordinate", "finite numbers", x + ", " + y);
    }
  }

  /** A place. */
  record Vertex(double x, double y) {
    public Vertex {
      finite(x, y);
    }
  }

  /** A box by its top left and bottom right corners, {@code x1 < x2} and {@code y1 < y2}. */
  record Box(double x1, double y1, double x2, double y2, Units units) implements Region {
    public Box {
      finite(x1, y1);
      finite(x2, y2);
      if (!(x1 < x2 && y1 < y2)) {
        throw InputException.mismatch(
            "box", "x1 < x2 and y1 < y2", "x1=" + x1 + " y1=" + y1 + " x2=" + x2 + " y2=" + y2);
      }
    }

    /** A box by its top left corner and size, as COCO writes it. */
    public static Box ofSize(double x, double y, double width, double height, Units units) {
      return new Box(x, y, x + width, y + height, units);
    }

    @Override
    public List<Vertex> vertices() {
      return List.of(new Vertex(x1, y1), new Vertex(x2, y2));
    }
  }

  /** A point. */
  record Point(double x, double y, Units units) implements Region {
    public Point {
      finite(x, y);
    }

    @Override
    public List<Vertex> vertices() {
      return List.of(new Vertex(x, y));
    }
  }

  /** A closed outline of 3 to 256 corners. */
  record Polygon(List<Vertex> vertices, Units units) implements Region {
    public Polygon {
      vertices = List.copyOf(vertices);
      if (vertices.size() < 3 || vertices.size() > 256) {
        throw InputException.mismatch("polygon", "3 to 256 corners", vertices.size());
      }
    }

    /** A polygon from x, y, x, y, … */
    public static Polygon of(Units units, double... coordinates) {
      if (coordinates.length % 2 != 0) {
        throw InputException.mismatch(
            "polygon", "an even number of coordinates", coordinates.length);
      }
      List<Vertex> vertices = new ArrayList<>();
      for (int i = 0; i < coordinates.length; i += 2) {
        vertices.add(new Vertex(coordinates[i], coordinates[i + 1]));
      }
      return new Polygon(vertices, units);
    }
  }
}
