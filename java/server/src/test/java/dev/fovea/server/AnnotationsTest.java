package dev.fovea.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fovea.Answer;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;

/** Spots of answers on a picture of 400 x 200 with four regions of the asker's. */
class AnnotationsTest {
  private static final ChatRequest.NamedPicture ON =
      new ChatRequest.NamedPicture("image 1", new Picture(400, 200, new byte[3 * 400 * 200]));
  private static final List<ChatRequest.Spot> SPOTS = List.of(
      spot("large", new Region.Box(0, 0, 0.5, 1, Units.RELATIVE)), // 200 x 200 pixels
      spot("small", new Region.Box(20, 20, 120, 120, Units.PIXEL)),
      spot("point", new Region.Point(300, 100, Units.PIXEL)),
      spot("outline", Region.Polygon.of(Units.RELATIVE, 0.8, 0, 1, 0.1, 0.9, 0.4)));

  private static ChatRequest.Spot spot(String id, Region region) {
    return new ChatRequest.Spot(id, region, 0, "");
  }

  private static ArrayNode annotations(Region... regions) {
    List<Answer.NamedRegion> named = new ArrayList<>();
    for (Region region : regions) {
      named.add(new Answer.NamedRegion(region, 3, 20));
    }
    ArrayNode to = JsonMapper.shared().createArrayNode();
    Annotations.add(to, named, ON, SPOTS);
    return to;
  }

  @ParameterizedTest
  @CsvSource({
    "25 20 120 115, small", // nearly
    "20 20 120 70, small", // exactly half of it
    "20 20 120 69, ''", // less, and far less of the large one
    "0 0 200 190, large",
    "60 60, small", // in both: the smaller
    "150 150, large",
    "20 20, small", // edges belong to it
    "296 102, point",
    "310 100, ''", // 10 pixels away, where 8 are near
    "280 80 320 120, point", // a box round it
    "321 0 400 80, outline", // about the box round its corners
    "250 180, ''",
    "0 0 400 200, large" // half of the whole; a small box is not meant, a point would be
  })
  void aSpotIsTheRegionItLiesOn(String numbers, String id) {
    double[] n =
        Arrays.stream(numbers.split(" ")).mapToDouble(Double::parseDouble).toArray();
    Region region = n.length == 2
        ? new Region.Point(n[0], n[1], Units.PIXEL)
        : new Region.Box(n[0], n[1], n[2], n[3], Units.PIXEL);
    assertEquals(id, annotations(region).get(0).path("region").asString(""));
  }

  @Test
  void aSpotIsGivenInPixelsAndInPartsOfTheSides() {
    String expected = """
        [{"type": "region", "image": "image 1", "box": [100, 150, 200, 200], "relative": [0.25, 0.75, 0.5, 1],
          "start_index": 3, "end_index": 20},
         {"type": "region", "image": "image 1", "polygon": [240, 0, 250, 20, 260, 0],
          "relative": [0.6, 0, 0.625, 0.1, 0.65, 0], "start_index": 3, "end_index": 20}]""";
    ArrayNode given = annotations(
        new Region.Box(100, 150, 200, 200, Units.PIXEL),
        Region.Polygon.of(Units.PIXEL, 240, 0, 250, 20, 260, 0));
    assertEquals(
        JsonMapper.shared().readTree(expected).toString().replaceAll("(\\d)\\.0\\b", "$1"),
        given.toString().replaceAll("(\\d)\\.0\\b", "$1"));
  }
}
