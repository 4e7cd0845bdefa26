package dev.fovea.cli;

import dev.fovea.error.InputException;
import dev.fovea.model.image.Annotate;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.ArrayList;
import java.util.List;
import java.util.Stack;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The regions of a question, numbered in the order in which they were given, whether box or point. */
class Spots {
  /** Coordinates as typed. */
  record Spot(List<Double> coordinates) {
    Region region(Units units) {
      List<Double> c = coordinates;
      return c.size() == 2
          ? new Region.Point(c.get(0), c.get(1), units)
          : new Region.Box(c.get(0), c.get(1), c.get(2), c.get(3), units);
    }
  }

  @Option(
      names = "--box",
      paramLabel = "x1,y1,x2,y2",
      parameterConsumer = BoxConsumer.class,
      description = "A box in the last picture, in pixels from its top left; repeatable.")
  List<Spot> spots = new ArrayList<>();

  @Option(
      names = "--point",
      paramLabel = "x,y",
      parameterConsumer = PointConsumer.class,
      description = "A point; repeatable. Regions count on from 1 in their order.")
  @Nullable
  Object point; // points are kept among the spots, so that the order stays

  @Option(names = "--relative", description = "Coordinates are shares of width and height, 0 to 1.")
  boolean relative;

  List<Region> regions() {
    List<Region> regions = new ArrayList<>();
    for (Spot spot : spots) {
      regions.add(spot.region(relative ? Units.RELATIVE : Units.PIXEL));
    }
    return regions;
  }

  static Spot parse(String what, int count, String text) {
    String expected = count == 4 ? "x1,y1,x2,y2" : "x,y";
    String[] parts = text.strip().split("\\s*[,\\s]\\s*", -1);
    if (parts.length != count) {
      throw InputException.mismatch(what, expected, "'" + text + "'");
    }
    List<Double> numbers = new ArrayList<>();
    for (String part : parts) {
      try {
        numbers.add(Double.valueOf(part));
      } catch (NumberFormatException e) {
        throw InputException.mismatch(what, expected, "'" + text + "'");
      }
    }
    return new Spot(numbers);
  }

  /** What to paint, in pixels of the picture. */
  static List<Annotate.Mark> marks(List<Region> regions, Picture picture) {
    List<Annotate.Mark> marks = new ArrayList<>();
    for (Region region : regions) {
      double sx = region.units() == Units.RELATIVE ? picture.width() : 1;
      double sy = region.units() == Units.RELATIVE ? picture.height() : 1;
      List<Region.Vertex> v = region.vertices();
      double x1 = v.stream().mapToDouble(Region.Vertex::x).min().orElseThrow() * sx;
      double y1 = v.stream().mapToDouble(Region.Vertex::y).min().orElseThrow() * sy;
      double x2 = v.stream().mapToDouble(Region.Vertex::x).max().orElseThrow() * sx;
      double y2 = v.stream().mapToDouble(Region.Vertex::y).max().orElseThrow() * sy;
      marks.add(v.size() == 1 ? new Annotate.Point(x1, y1) : new Annotate.Box(x1, y1, x2, y2));
    }
    return marks;
  }

  private static void take(
      Stack<String> args, ArgSpec arg, CommandSpec command, String flag, int count) {
    if (args.isEmpty()) {
      throw new ParameterException(
          command.commandLine(), "Missing value for option '" + flag + "'", arg, null);
    }
    String text = args.pop();
    try {
      ((Pointing) command.userObject()).spots().spots.add(parse(flag, count, text));
    } catch (InputException e) {
      throw new ParameterException(command.commandLine(), String.valueOf(e.getMessage()), e);
    }
  }

  /** A command that takes regions. */
  interface Pointing {
    Spots spots();
  }

  /** Reads a box. */
  static final class BoxConsumer implements IParameterConsumer {
    @Override
    public void consumeParameters(Stack<String> args, ArgSpec arg, CommandSpec command) {
      take(args, arg, command, "--box", 4);
    }
  }

  /** Reads a point. */
  static final class PointConsumer implements IParameterConsumer {
    @Override
    public void consumeParameters(Stack<String> args, ArgSpec arg, CommandSpec command) {
      take(args, arg, command, "--point", 2);
    }
  }
}
