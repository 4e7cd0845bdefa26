package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HistoryTest {
  @TempDir
  Path folder = Path.of("");

  @Test
  void addingKeepsEveryEarlierByte() throws IOException {
    Path file = folder.resolve("history.jsonl");
    History history = new History(file);
    byte[] before = {};
    for (int i = 0; i < 5; i++) {
      history.append(List.of("{\"run\":" + i + "}", "{\"picture\":\"ä\"}"));
      byte[] after = Files.readAllBytes(file);
      assertArrayEquals(before, Arrays.copyOf(after, before.length), "run " + i);
      before = after;
      assertEquals(2 * (i + 1), history.lines().size());
    }
    assertEquals("{\"run\":0}", history.lines().getFirst());
  }

  @Test
  void aFileThatDoesNotEndInALineBreakKeepsItsLastLine() throws IOException {
    Path file = folder.resolve("history.jsonl");
    Files.writeString(file, "{\"a\":1}", StandardCharsets.UTF_8);
    new History(file).append(List.of("{\"b\":2}"));
    assertEquals("{\"a\":1}\n{\"b\":2}\n", Files.readString(file));
  }

  @Test
  void aLineIsOneLine() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new History(folder.resolve("h")).append(List.of("{\n}")));
  }
}
