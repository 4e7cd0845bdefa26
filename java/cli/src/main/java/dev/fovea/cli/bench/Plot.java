package dev.fovea.cli.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A drawing of lines over two axes that begin at zero, as SVG.
 *
 * @param title what it shows
 * @param x name of the axis across, with its unit
 * @param y name of the axis up
 * @param lines what is drawn
 */
public record Plot(String title, String x, String y, List<Line> lines) {

  /** Points from left to right, labelled with {@code ticks} if there are any, else with their x. */
  public record Line(String name, List<Point> points, List<String> ticks) {}

  public record Point(double x, double y) {}

  private static final int WIDTH = 720;
  private static final int HEIGHT = 320;
  private static final int LEFT = 70;
  private static final int RIGHT = 150;
  private static final int TOP = 40;
  private static final int BOTTOM = 60;
  private static final String[] COLOURS = {
    "#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b", "#444444"
  };

  /** Several drawings under one another. */
  public static String svg(List<Plot> plots) {
    StringBuilder s = new StringBuilder();
    s.append(String.format(
        Locale.ROOT,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">%n",
        WIDTH,
        HEIGHT * plots.size()));
    s.append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
    for (int i = 0; i < plots.size(); i++) {
      s.append(String.format(Locale.ROOT, "<g transform=\"translate(0 %d)\">%n", i * HEIGHT));
      plots.get(i).draw(s);
      s.append("</g>\n");
    }
    return s.append("</svg>\n").toString();
  }

  private void draw(StringBuilder s) {
    double right = most(p -> p.x());
    double top = round(most(p -> p.y()) * 1.05);
    text(s, WIDTH / 2.0 - RIGHT / 2.0 + LEFT / 2.0, 20, "middle", title);
    for (int i = 0; i <= 4; i++) {
      double value = top * i / 4;
      double at = vertical(value, top);
      s.append(String.format(
          Locale.ROOT,
          "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>%n",
          LEFT,
          at,
          WIDTH - RIGHT,
          at));
      text(s, LEFT - 6, at + 4, "end", number(value));
    }
    text(s, LEFT, TOP - 10, "start", y);
    text(s, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10, "middle", x);
    List<String> labelled = new ArrayList<>();
    for (int n = 0; n < lines.size(); n++) {
      Line line = lines.get(n);
      String colour = COLOURS[n % COLOURS.length];
      StringBuilder path = new StringBuilder();
      for (int i = 0; i < line.points().size(); i++) {
        Point p = line.points().get(i);
        double px = horizontal(p.x(), right);
        double py = vertical(p.y(), top);
        path.append(String.format(Locale.ROOT, "%.1f,%.1f ", px, py));
        s.append(String.format(
            Locale.ROOT,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>%n",
            px,
            py,
            colour));
        String tick = i < line.ticks().size() ? line.ticks().get(i) : number(p.x());
        if (!labelled.contains(tick)) {
          labelled.add(tick);
          text(s, px, HEIGHT - BOTTOM + 18, "middle", tick);
        }
      }
      s.append(String.format(
          Locale.ROOT,
          "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>%n",
          path.toString().strip(),
          colour));
      s.append(String.format(
          Locale.ROOT,
          "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>%n",
          WIDTH - RIGHT + 15,
          TOP + 18 * n - 9,
          colour));
      text(s, WIDTH - RIGHT + 30, TOP + 18 * n, "start", line.name());
    }
  }

  private double most(java.util.function.ToDoubleFunction<Point> of) {
    double most =
        lines.stream().flatMap(l -> l.points().stream()).mapToDouble(of).max().orElse(0);
    return most > 0 ? most : 1;
  }

  /** Up to 1, 2 or 5 times a power of ten, in quarters that read well. */
  private static double round(double value) {
    double power = Math.pow(10, Math.floor(Math.log10(value)));
    for (double step : new double[] {1, 2, 4, 8}) {
      if (value <= step * power) {
        return step * power;
      }
    }
    return 10 * power;
  }

  private static double horizontal(double x, double right) {
    return LEFT + x / right * (WIDTH - LEFT - RIGHT);
  }

  private static double vertical(double y, double top) {
    return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM);
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e9
        ? Long.toString((long) value)
        : String.format(Locale.ROOT, "%.3g", value);
  }

  private static void text(StringBuilder s, double x, double y, String anchor, String text) {
    s.append(String.format(
        Locale.ROOT,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
        x,
        y,
        anchor,
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")));
  }
}
