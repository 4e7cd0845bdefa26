package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTest {
  @TempDir
  Path folder = Path.of("");

  private final Scripted scripted =
      new Scripted(q -> q.text().equals("refuse") ? refuse() : "Yes: " + q.text());

  private static String refuse() {
    throw new InputException("region 1 lies outside");
  }

  private int chat(String... lines) {
    scripted.env.put("FOVEA_MODEL", folder.toString());
    return scripted.run(String.join("\n", lines) + "\n", "chat");
  }

  @Test
  void turnsFromAPipe() throws IOException {
    Path picture = Scripted.picture(folder, 60, 40);
    int code = chat(
        "/image " + picture,
        "/box 1,2,30,40",
        "/point 5,6",
        "What is this?",
        "",
        "And this?",
        "/context",
        "/clear",
        "/context");
    assertEquals(0, code, scripted::err);
    assertEquals(
        List.of("Yes: What is this?", "Yes: And this?"), scripted.out().lines().toList());
    assertEquals(2, scripted.asked.size());
    assertEquals(1, scripted.asked.get(0).pictures().size());
    assertEquals(
        List.of(new Region.Box(1, 2, 30, 40, Units.PIXEL), new Region.Point(5, 6, Units.PIXEL)),
        scripted.asked.get(0).regions());
    assertEquals(List.of(), scripted.asked.get(1).pictures());
    assertEquals(List.of(), scripted.asked.get(1).regions());
    assertEquals(1, scripted.cleared);
    assertEquals(1, scripted.closed);
    assertTrue(scripted.err().contains("context: 73/512\ncleared\ncontext: 0/512"), scripted.err());
  }

  @Test
  void mistakesDoNotEndTheChat() throws IOException {
    Path picture = Scripted.picture(folder, 60, 40);
    int code = chat(
        "/box 1,2,3,4",
        "/image",
        "/image nope.png",
        "/dance",
        "/image " + picture,
        "/box 1,2",
        "refuse",
        "fine",
        "/quit",
        "never");
    assertEquals(0, code);
    assertEquals(
        List.of(
            "fovea: /box needs a picture first: /image PATH",
            "fovea: /image: expected a path, found nothing",
            "fovea: nope.png: no such file; expected a picture (JPEG, PNG, WebP, BMP or GIF)",
            "fovea: unknown command /dance; /help lists them",
            "fovea: /box: expected x1,y1,x2,y2, found '1,2'",
            "fovea: region 1 lies outside"),
        scripted.err().lines().filter(l -> l.startsWith("fovea: ")).toList());
    assertEquals("Yes: fine", scripted.out().strip());
    assertEquals(
        1,
        scripted.asked.getLast().pictures().size(),
        "the picture of the refused question is still new");
  }

  @Test
  void aDumbTerminalWillDo() throws IOException {
    scripted.env.put("FOVEA_MODEL", folder.toString());
    var typed = new ByteArrayInputStream("Hello there\n/quit\n".getBytes(StandardCharsets.UTF_8));
    var screen = new ByteArrayOutputStream();
    Chat chat = new Chat(scripted.shell(""));
    chat.model.model = folder;
    try (TypedLines lines = TypedLines.dumb(typed, screen)) {
      assertEquals(0, chat.run(lines));
    }
    assertEquals("Yes: Hello there", scripted.out().strip());
    assertTrue(screen.toString(StandardCharsets.UTF_8).contains("> "), "a prompt is shown");
  }

  @Test
  void theEndOfATerminalEndsTheChat() throws IOException {
    Chat chat = new Chat(scripted.shell(""));
    chat.model.model = folder;
    var nothing = new ByteArrayInputStream(new byte[0]);
    try (TypedLines lines = TypedLines.dumb(nothing, new ByteArrayOutputStream())) {
      assertEquals(0, chat.run(lines));
    }
    assertEquals(0, scripted.asked.size());
    assertEquals(1, scripted.closed);
  }
}
