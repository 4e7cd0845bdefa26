package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Question;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class EvalTest {
  @TempDir
  Path folder = Path.of("");

  /** A dog with a cat at nearly the same place, and one of each question. */
  private Path archive() throws IOException {
    Path file = folder.resolve("set.zip");
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      put(zip, "a.png", Files.readAllBytes(Scripted.picture(folder, 100, 100)));
      put(zip, "scenes.jsonl", """
          {"image": "a.png", "objects": [{"name": "dog", "box": [10, 10, 50, 50]}, {"name": "cat", "box": [12, 12, 52, 52]}, {"name": "STOP", "box": [60, 60, 90, 70]}]}
          """.getBytes(StandardCharsets.UTF_8));
      put(zip, "questions.jsonl", """
          {"image": "a.png", "task": "name", "question": "name right", "box": [10, 10, 50, 50], "answer": ["dog"]}
          {"image": "a.png", "task": "name", "question": "name wrong", "box": [10, 10, 50, 50], "answer": ["dog"]}
          {"image": "a.png", "task": "point", "question": "name right", "point": [20, 20], "answer": ["dog"]}
          {"image": "a.png", "task": "read", "question": "read", "box": [60, 60, 90, 70], "answer": ["STOP"]}
          {"image": "a.png", "task": "side", "question": "What is left of it?", "answer": ["dog"]}
          {"image": "a.png", "task": "caption", "question": "caption", "answer": ["dog", "cat", "STOP"]}
          {"image": "a.png", "task": "presence", "question": "yes", "answer": ["Yes"]}
          {"image": "a.png", "task": "presence", "question": "yes", "answer": ["No"]}
          {"image": "a.png", "task": "presence", "question": "no", "answer": ["No"]}
          """.getBytes(StandardCharsets.UTF_8));
    }
    return file;
  }

  private static void put(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
    zip.putNextEntry(new ZipEntry(name));
    zip.write(bytes);
  }

  private static String answer(Question q) {
    return switch (q.text()) {
      case "name right" -> "A dog.";
      case "name wrong" -> "A cat.";
      case "read" -> "STOP";
      case "caption" -> "A dog and a cat.";
      case "yes" -> "Yes.";
      case "no" -> "No.";
      default -> "Nothing.";
    };
  }

  @Test
  void countsEachTask() throws IOException {
    Scripted scripted = new Scripted(EvalTest::answer);
    String archive = archive().toString();
    assertEquals(
        0, scripted.run("", "eval", archive, "-m", folder.toString(), "--json"), scripted::err);
    JsonNode all = JsonMapper.shared().readTree(scripted.out());
    assertEquals(1, all.path("scenes").intValue());
    JsonNode tasks = all.path("tasks");
    assertEquals("{\"accuracy\":0.5,\"n\":2}", tasks.path("name").toString());
    assertEquals("{\"accuracy\":1,\"n\":1}", tasks.path("point").toString());
    assertEquals("{\"accuracy\":1,\"n\":1}", tasks.path("read").toString());
    assertEquals("{\"accuracy\":0,\"n\":1}", tasks.path("left").toString());
    assertEquals(
        "{\"accuracy\":0,\"n\":1}", tasks.path("caption").toString(), "a caption holds all things");
    JsonNode presence = all.path("presence");
    assertEquals(3, presence.path("n").intValue());
    assertEquals(2 / 3.0, presence.path("accuracy").doubleValue(), 1e-6);
    assertEquals(0.5, presence.path("precision").doubleValue());
    assertEquals(1, presence.path("recall").doubleValue());
    assertEquals(2 / 3.0, presence.path("f1").doubleValue(), 1e-6);
    assertEquals(2 / 3.0, presence.path("yes_ratio").doubleValue(), 1e-6);
    JsonNode naming = all.path("naming");
    assertEquals(4, naming.size());
    for (JsonNode row : naming) {
      assertEquals(0.5, row.path("accuracy").doubleValue());
      assertEquals(
          0.5, row.path("hallucination_ratio").doubleValue(), "the cat overlaps the dog's box");
      assertEquals(1, row.path("hallucination_of_errors").doubleValue());
    }
    // name right, name wrong and point right again: one conversation of three turns that sees the
    // picture once.
    assertEquals("{\"accuracy\":0,\"n\":1}", tasks.path("turn2").toString());
    assertEquals("{\"accuracy\":1,\"n\":1}", tasks.path("turn3").toString());
    var turns = scripted.asked.subList(scripted.asked.size() - 3, scripted.asked.size());
    assertEquals(List.of(1, 0, 0), turns.stream().map(q -> q.pictures().size()).toList());
    assertEquals(
        scripted.asked.size() - 2, scripted.cleared, "all others begin a conversation each");
  }

  @Test
  void theTableSaysHowManyOfEach() throws IOException {
    Scripted scripted = new Scripted(EvalTest::answer);
    assertEquals(
        0,
        scripted.run("", "eval", archive().toString(), "-m", folder.toString(), "--no-noise"),
        scripted::err);
    assertTrue(
        scripted.out().contains("| region naming       |       50.0 |   2 |"), scripted.out());
    assertTrue(
        scripted.out().contains("|       66.7 |        50.0 |    100.0 | 66.7 |  66.7 |   3 |"),
        scripted.out());
    assertEquals(9 + 3, scripted.asked.size());
  }

  @Test
  void aDamagedArchiveIsNamed() throws IOException {
    Path file = Files.writeString(folder.resolve("bad.zip"), "no archive");
    Scripted scripted = new Scripted(EvalTest::answer);
    assertEquals(2, scripted.run("", "eval", file.toString(), "-m", folder.toString()));
    assertTrue(
        scripted.err().startsWith("fovea: " + file + ": is not a readable archive: "),
        scripted.err());
    assertEquals(1, scripted.err().lines().count());
  }
}
