package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.xml.sax.InputSource;

class PlotTest {
  private static final Plot PLOT = new Plot(
      "time & context",
      "positions",
      "ms < 100",
      List.of(
          new Plot.Line("a", List.of(new Plot.Point(0, 1), new Plot.Point(100, 3)), List.of()),
          new Plot.Line("b", List.of(new Plot.Point(50, 2)), List.of("x50"))));

  private static Document parsed(List<Plot> plots) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(Plot.svg(plots))));
  }

  @Test
  void isXmlWhateverTheNamesAre() throws Exception {
    Document svg = parsed(List.of(PLOT, PLOT));
    assertEquals(2, svg.getElementsByTagName("g").getLength());
    assertEquals(2 * 3, svg.getElementsByTagName("circle").getLength());
    assertEquals(2 * 2, svg.getElementsByTagName("polyline").getLength());
    assertTrue(svg.getDocumentElement().getTextContent().contains("time & context"));
    assertTrue(svg.getDocumentElement().getTextContent().contains("x50"));
  }

  /** Zero is at the corner, the largest x at the right, and y goes up in proportion. */
  @Test
  void pointsLieWhereTheirValuesAre() throws Exception {
    var circles = parsed(List.of(PLOT)).getElementsByTagName("circle");
    double[] x = new double[3];
    double[] y = new double[3];
    for (int i = 0; i < 3; i++) {
      x[i] = Double.parseDouble(((Element) circles.item(i)).getAttribute("cx"));
      y[i] = Double.parseDouble(((Element) circles.item(i)).getAttribute("cy"));
    }
    assertEquals((x[0] + x[1]) / 2, x[2], 0.11);
    assertEquals((y[0] + y[1]) / 2, y[2], 0.11);
    assertTrue(x[1] > x[0] && y[1] < y[0]);
  }

  @Test
  void nothingToDrawIsStillADrawing() throws Exception {
    assertEquals(
        0,
        parsed(List.of(new Plot("t", "x", "y", List.of())))
            .getElementsByTagName("circle")
            .getLength());
  }
}
