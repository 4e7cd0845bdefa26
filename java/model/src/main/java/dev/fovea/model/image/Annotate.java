package dev.fovea.model.image;

import dev.fovea.error.InputException;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.Shape;
import java.awt.geom.Ellipse2D;
import java.awt.geom.RoundRectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Paints what was pointed at, and what was answered, onto a copy of the picture. */
public final class Annotate {

  /** What was pointed at, in pixels of the picture. */
  public sealed interface Mark {}

  /** A box from its left top edge to its right bottom edge. */
  public record Box(double x1, double y1, double x2, double y2) implements Mark {}

  /** A single spot. */
  public record Point(double x, double y) implements Mark {}

  /** One line of the caption: which mark it speaks of (counted from 1, 0 for none) and the text. */
  public record Line(int mark, String text) {}

  /** Colours that stay apart for colour-blind eyes too (Okabe and Ito 2008), brightest first. */
  private static final List<Color> COLORS = List.of(
      new Color(0xE69F00),
      new Color(0x56B4E9),
      new Color(0x009E73),
      new Color(0xCC79A7),
      new Color(0xD55E00),
      new Color(0xF0E442),
      new Color(0x0072B2));

  private static final Color PAPER = new Color(0x17191D);
  private static final Color INK = new Color(0xF2F3F5);

  /** A small picture is enlarged so that its caption can be read; pixels stay whole. */
  private static final int MIN_SIDE = 448;

  /** An answer this long is cut with an ellipsis: the caption is a caption. */
  private static final int MAX_ROWS = 12;

  private final Graphics2D g;
  private final int scale;
  private final double unit;

  private Annotate(Graphics2D g, int scale, double unit) {
    this.g = g;
    this.scale = scale;
    this.unit = unit;
  }

  /**
   * Draws the marks, numbered in their order, and the lines below the picture.
   *
   * @param marks may be empty, and may stick out of the picture; they are then drawn at its edge
   * @param lines may be empty: no strip is added then
   * @return a PNG file
   * @throws InputException if a coordinate is no number
   */
  public static byte[] png(Picture picture, List<? extends Mark> marks, List<Line> lines) {
    int scale = Math.max(1, MIN_SIDE / Math.max(picture.width(), picture.height()));
    int width = picture.width() * scale;
    int height = picture.height() * scale;
    double unit = Math.max(1.0, Math.sqrt((double) width * height) / 220);
    Font font =
        new Font(Font.SANS_SERIF, Font.PLAIN, (int) Math.round(Math.clamp(7.2 * unit, 13, 96)));

    var measure = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB).createGraphics();
    quality(measure);
    measure.setFont(font);
    List<Row> rows = wrap(lines, measure.getFontMetrics(), width);
    int rowHeight = (int) Math.ceil(font.getSize() * 1.45);
    measure.dispose();
    int strip = rows.isEmpty() ? 0 : rows.size() * rowHeight + font.getSize();

    var canvas = new BufferedImage(width, height + strip, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = canvas.createGraphics();
    try {
      g.drawImage(picture.toBufferedImage(), 0, 0, width, height, null);
      quality(g);
      var painter = new Annotate(g, scale, unit);
      g.setClip(0, 0, width, height);
      for (int i = 0; i < marks.size(); i++) {
        painter.outline(marks.get(i), i, width, height);
      }
      for (int i = 0; i < marks.size(); i++) {
        painter.number(marks.get(i), i, width, height);
      }
      g.setClip(null);
      if (strip > 0) {
        painter.caption(rows, font, rowHeight, height, strip, width);
      }
    } finally {
      g.dispose();
    }
    return encode(canvas);
  }

  private static void quality(Graphics2D g) {
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    g.setRenderingHint(
        RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    g.setRenderingHint(
        RenderingHints.KEY_FRACTIONALMETRICS, RenderingHints.VALUE_FRACTIONALMETRICS_ON);
    g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
  }

  private static Color color(int index) {
    return COLORS.get(index % COLORS.size());
  }

  /** A coloured line in a white one in a dark one: readable on white, on black and on its own colour. */
  private void outline(Mark mark, int index, int width, int height) {
    double line = 1.15 * unit;
    Shape shape = switch (mark) {
      case Box box -> {
        double inset = line / 2;
        double x1 = within("box", Math.min(box.x1, box.x2), width) + inset;
        double y1 = within("box", Math.min(box.y1, box.y2), height) + inset;
        double x2 = within("box", Math.max(box.x1, box.x2), width) - inset;
        double y2 = within("box", Math.max(box.y1, box.y2), height) - inset;
        yield new RoundRectangle2D.Double(
            x1, y1, Math.max(1, x2 - x1), Math.max(1, y2 - y1), 2 * unit, 2 * unit);
      }
      case Point point -> {
        double r = 3.2 * unit;
        yield new Ellipse2D.Double(
            within("point", point.x, width) - r,
            within("point", point.y, height) - r,
            2 * r,
            2 * r);
      }
    };
    stroke(shape, new Color(0, 0, 0, 110), 2.4 * line);
    stroke(shape, new Color(255, 255, 255, 235), 1.8 * line);
    stroke(shape, color(index), line);
    if (mark instanceof Point point) {
      double r = unit;
      g.fill(new Ellipse2D.Double(
          within("point", point.x, width) - r, within("point", point.y, height) - r, 2 * r, 2 * r));
    }
  }

  private void stroke(Shape shape, Color color, double line) {
    g.setColor(color);
    g.setStroke(new BasicStroke((float) line, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
    g.draw(shape);
  }

  /** The number's badge, just outside the mark where there is room, else inside. */
  private void number(Mark mark, int index, int width, int height) {
    double side = 9 * unit;
    double x;
    double y;
    switch (mark) {
      case Box box -> {
        x = within("box", Math.min(box.x1, box.x2), width);
        double top = within("box", Math.min(box.y1, box.y2), height);
        y = top >= side + unit ? top - side - unit * 0.6 : top + unit * 1.4;
        if (y > top) {
          x += unit * 1.4;
        }
      }
      case Point point -> {
        x = within("point", point.x, width) + 4.2 * unit;
        y = within("point", point.y, height) - 4.2 * unit - side;
      }
    }
    badge(
        index,
        Math.clamp(x, 0, Math.max(0, width - side)),
        Math.clamp(y, 0, Math.max(0, height - side)),
        side);
  }

  private void badge(int index, double x, double y, double side) {
    var plate = new RoundRectangle2D.Double(x, y, side, side, side * 0.45, side * 0.45);
    g.setColor(color(index));
    g.fill(plate);
    g.setColor(new Color(0, 0, 0, 150));
    g.setStroke(new BasicStroke((float) Math.max(1, 0.4 * unit)));
    g.draw(plate);
    String text = Integer.toString(index + 1);
    g.setFont(new Font(
        Font.SANS_SERIF, Font.BOLD, (int) Math.round(side * (text.length() > 1 ? 0.6 : 0.75))));
    FontMetrics metrics = g.getFontMetrics();
    Color plateColor = color(index);
    double light =
        0.299 * plateColor.getRed() + 0.587 * plateColor.getGreen() + 0.114 * plateColor.getBlue();
    g.setColor(light > 110 ? PAPER : Color.WHITE);
    g.drawString(text, (float) (x + (side - metrics.stringWidth(text)) / 2), (float)
        (y + (side - metrics.getHeight()) / 2 + metrics.getAscent()));
  }

  /** A coordinate of the picture on the canvas, held inside it. */
  private double within(String field, double v, int limit) {
    if (!Double.isFinite(v)) {
      throw InputException.mismatch(field + " coordinate", "a number", v);
    }
    return Math.clamp(v * scale, 0, limit);
  }

  /** One row of the caption; the first of a line carries the badge of its mark. */
  private record Row(int mark, String text, double indent) {}

  private void caption(List<Row> rows, Font font, int rowHeight, int top, int strip, int width) {
    g.setColor(PAPER);
    g.fillRect(0, top, width, strip);
    double y = top + font.getSize() * 0.5;
    for (Row row : rows) {
      if (row.mark > 0) {
        double side = font.getSize() * 1.15;
        badge(row.mark - 1, font.getSize() * 0.6, y + (rowHeight - side) / 2, side);
      }
      g.setFont(font);
      FontMetrics metrics = g.getFontMetrics();
      g.setColor(INK);
      g.drawString(row.text, (float) row.indent, (float)
          (y + (rowHeight - metrics.getHeight()) / 2.0 + metrics.getAscent()));
      y += rowHeight;
    }
  }

  /** Breaks the lines between words, and inside a word that is wider than the picture. */
  private static List<Row> wrap(List<Line> lines, FontMetrics metrics, int width) {
    double margin = metrics.getFont().getSize() * 0.6;
    List<Row> rows = new ArrayList<>();
    for (Line line : lines) {
      double indent = line.mark > 0 ? margin + metrics.getFont().getSize() * 1.65 : margin;
      double room = Math.max(metrics.getFont().getSize() * 2.0, width - indent - margin);
      int mark = line.mark;
      for (String paragraph : line.text.strip().split("\\R", -1)) {
        var row = new StringBuilder();
        for (String word : pieces(paragraph, metrics, room)) {
          String longer = row.isEmpty() ? word : row + " " + word;
          if (!row.isEmpty() && metrics.stringWidth(longer) > room) {
            rows.add(new Row(mark, row.toString(), indent));
            mark = 0;
            row.setLength(0);
            row.append(word);
          } else {
            row.setLength(0);
            row.append(longer);
          }
        }
        rows.add(new Row(mark, row.toString(), indent));
        mark = 0;
      }
    }
    if (rows.size() > MAX_ROWS) {
      Row last = rows.get(MAX_ROWS - 1);
      rows = new ArrayList<>(rows.subList(0, MAX_ROWS - 1));
      rows.add(new Row(last.mark, last.text + " …", last.indent));
    }
    return rows;
  }

  private static List<String> pieces(String paragraph, FontMetrics metrics, double room) {
    List<String> pieces = new ArrayList<>();
    for (String word : paragraph.strip().split("\\s+", -1)) {
      int start = 0;
      for (int end = start; end < word.length(); ) {
        int next = end + Character.charCount(word.codePointAt(end));
        if (end > start && metrics.stringWidth(word.substring(start, next)) > room) {
          pieces.add(word.substring(start, end));
          start = end;
        }
        end = next;
      }
      pieces.add(word.substring(start));
    }
    return pieces;
  }

  private static byte[] encode(BufferedImage image) {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("png").next();
    var bytes = new ByteArrayOutputStream();
    try (var out = new MemoryCacheImageOutputStream(bytes)) {
      writer.setOutput(out);
      writer.write(image);
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }
}
