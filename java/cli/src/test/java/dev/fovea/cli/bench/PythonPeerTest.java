package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said between the bench and {@code bench/peers/vision.py}, with a shell in Python's place. */
class PythonPeerTest {
  @TempDir
  Path folder = Path.of("");

  private PythonPeer peer(String name, String body) throws IOException {
    Path python = folder.resolve("python3");
    Files.writeString(python, "#!/bin/sh\n" + body + "\n");
    assertTrue(python.toFile().setExecutable(true));
    return new PythonPeer(
        Map.of("PATH", folder.toString()), folder, name, folder.resolve("mmproj.gguf"), 2);
  }

  @Test
  void aLineForEachPicture() throws IOException {
    try (PythonPeer peer = peer(
        "pytorch", "echo \"ready $2 on $5\"; n=7; while read _; do echo $n; n=$((n+1)); done")) {
      assertEquals("pytorch on 2", peer.about());
      assertEquals(Map.of("img", 7.0), peer.measure());
      assertEquals(Map.of("img", 8.0), peer.measure());
    }
  }

  @Test
  void saysWhatIsMissing() throws IOException {
    InputException e = assertThrows(
        InputException.class,
        () -> peer("onnxruntime", "echo 'the Python package onnxruntime is missing'; exit 1"));
    assertEquals("--vs onnxruntime: the Python package onnxruntime is missing", e.getMessage());
    assertThrows(InputException.class, () -> peer("pytorch", "exit 1"));
    InputException none = assertThrows(
        InputException.class,
        () -> new PythonPeer(Map.of("PATH", "/nowhere"), folder, "pytorch", folder, 1));
    assertTrue(String.valueOf(none.getMessage()).contains("there is no Python"));
  }

  @Test
  void whatIsNoTimeIsAnError() throws IOException {
    try (PythonPeer peer = peer("pytorch", "echo ready x; read _; echo 'out of memory'; read _")) {
      InputException e = assertThrows(InputException.class, peer::measure);
      assertTrue(String.valueOf(e.getMessage()).contains("out of memory"), e.getMessage());
    }
  }
}
