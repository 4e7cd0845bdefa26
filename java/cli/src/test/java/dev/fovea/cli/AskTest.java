package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class AskTest {
  private static final String LINE =
      "prompt: 500.0 tok/s (50) | image: 13 ms | generation: 40.0 tok/s (2) | context: 72/512";

  @TempDir
  Path folder = Path.of("");

  private final Scripted scripted = new Scripted(q -> "A \"rabbit\".");

  private int ask(String... args) {
    scripted.env.put("FOVEA_MODEL", folder.toString());
    String[] all = new String[args.length + 1];
    all[0] = "ask";
    System.arraycopy(args, 0, all, 1, args.length);
    return scripted.run("", all);
  }

  @Test
  void streamsTheAnswerAndReportsBeside() throws IOException {
    Path picture = Scripted.picture(folder, 60, 40);
    assertEquals(
        0,
        ask(picture.toString(), "--box", "1,2,30,40", "--point", "5.5,6", "What", "is", "this?"),
        scripted::err);
    assertEquals("A \"rabbit\".", scripted.out().strip());
    assertEquals(LINE, scripted.err().strip());
    var question = scripted.asked.getFirst();
    assertEquals("What is this?", question.text());
    assertEquals(60, question.pictures().getFirst().width());
    assertEquals(
        List.of(new Region.Box(1, 2, 30, 40, Units.PIXEL), new Region.Point(5.5, 6, Units.PIXEL)),
        question.regions());
    assertEquals(1, scripted.closed);
  }

  @Test
  void regionsKeepTheOrderTheyWereGivenIn() throws IOException {
    Path picture = Scripted.picture(folder, 60, 40);
    assertEquals(
        0,
        ask(
            "--relative",
            "--point=0.5,0.25",
            picture.toString(),
            "--box=0,0,1,1",
            "--point",
            "1,1",
            "q"),
        scripted::err);
    assertEquals(
        List.of(
            new Region.Point(0.5, 0.25, Units.RELATIVE),
            new Region.Box(0, 0, 1, 1, Units.RELATIVE),
            new Region.Point(1, 1, Units.RELATIVE)),
        scripted.asked.getFirst().regions());
  }

  @Test
  void severalPicturesAndARawPrompt() throws IOException {
    Path a = Scripted.picture(folder, 10, 20);
    Path b = Scripted.picture(folder, 30, 20);
    assertEquals(
        0,
        ask("--raw", "--image", a.toString(), "--image", b.toString(), "<image><image> which?"),
        scripted::err);
    var question = scripted.asked.getFirst();
    assertTrue(question.raw());
    assertEquals("<image><image> which?", question.text());
    assertEquals(
        List.of(10, 30), question.pictures().stream().map(p -> p.width()).toList());
  }

  @Test
  void jsonIsOneLineWithTheNamesOthersUse() throws IOException {
    Path picture = Scripted.picture(folder, 60, 40);
    assertEquals(0, ask(picture.toString(), "What?", "--json"), scripted::err);
    assertEquals(1, scripted.out().strip().lines().count());
    JsonNode line = JsonMapper.shared().readTree(scripted.out());
    assertEquals(
        new TreeSet<>(List.of(
            "text",
            "token_ids",
            "prompt_token_ids",
            "finish_reason",
            "usage",
            "timings",
            "backend")),
        new TreeSet<>(line.propertyNames()));
    assertEquals("A \"rabbit\".", line.path("text").stringValue());
    assertEquals("[100,101]", line.path("token_ids").toString());
    assertEquals("[1,-200,5]", line.path("prompt_token_ids").toString());
    assertEquals("stop", line.path("finish_reason").stringValue());
    assertEquals("scripted: 1 thread", line.path("backend").stringValue());
    assertEquals(
        "{\"prompt_tokens\":70,\"completion_tokens\":2,\"total_tokens\":72,"
            + "\"prompt_tokens_details\":{\"cached_tokens\":20,\"image_tokens\":64}}",
        line.path("usage").toString());
    assertEquals(
        "{\"cache_n\":20,\"prompt_n\":50,\"prompt_ms\":100,\"prompt_per_token_ms\":2,\"prompt_per_second\":500,"
            + "\"predicted_n\":2,\"predicted_ms\":50,\"predicted_per_token_ms\":25,\"predicted_per_second\":40,"
            + "\"image_encode_ms\":12.5}",
        line.path("timings").toString());
    assertEquals(LINE, scripted.err().strip());
  }

  @Test
  void drawsOnTheLastPicture() throws IOException {
    Path picture = Scripted.picture(folder, 600, 400);
    Path drawing = folder.resolve("drawn.png");
    assertEquals(
        0,
        ask(picture.toString(), "--box", "100,100,200,200", "What?", "--draw", drawing.toString()),
        scripted::err);
    var drawn = ImageDecoder.STANDARD.decode(drawing);
    assertEquals(600, drawn.width());
    assertTrue(drawn.height() > 400, "a caption is added below");
    assertTrue(drawn.pixel(100, 150) != 0, "the box's edge is painted on black");
    assertEquals(0, drawn.pixel(300, 300));
  }

  @Test
  void aPictureWithoutAQuestionIsAMistake() throws IOException {
    Path picture = Scripted.picture(folder, 6, 4);
    assertEquals(2, ask(picture.toString()));
    assertEquals(
        "fovea: no question: expected ./fovea ask " + picture + " \"What is this?\"",
        scripted.err().strip());
  }

  @Test
  void samplingFlagsReachTheModel() {
    assertEquals(
        0,
        ask(
            "--temp",
            "0.7",
            "--top-k",
            "40",
            "--top-p",
            "0.9",
            "--min-p",
            "0.05",
            "--repeat-penalty",
            "1.1",
            "-s",
            "42",
            "--stop",
            "###",
            "--stop",
            "END",
            "--n-predict",
            "-1",
            "Hello"),
        scripted::err);
    var generation = scripted.generations.getFirst();
    assertEquals(new dev.fovea.Sampling(0.7, 40, 0.9, 0.05, 1.1, 42), generation.sampling());
    assertEquals(List.of("###", "END"), generation.stop());
    assertEquals(1 << 20, generation.maxTokens());
  }
}
