package dev.fovea.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LlamaCppTest {
  @TempDir
  Path folder = Path.of("");

  /** What llama-bench of llama.cpp 0.7.0 printed for {@code -p 8 -n 4 -pg 8,4 -d 0,4 -r 1 -o jsonl}, less the fields about machine and model. */
  private static final String RECORDED = """
      {"n_prompt": 8, "n_gen": 0, "n_depth": 0, "avg_ns": 1345175, "stddev_ns": 0, "avg_ts": 5947.181593, "samples_ns": [ 1345175 ]}
      {"n_prompt": 0, "n_gen": 4, "n_depth": 0, "avg_ns": 2718002, "stddev_ns": 0, "avg_ts": 1471.669263, "samples_ns": [ 2718002 ]}
      {"n_prompt": 8, "n_gen": 4, "n_depth": 0, "avg_ns": 4523193, "stddev_ns": 0, "avg_ts": 2652.993140, "samples_ns": [ 4523193 ]}
      {"n_prompt": 8, "n_gen": 0, "n_depth": 4, "avg_ns": 1028383, "stddev_ns": 0, "avg_ts": 7779.202885, "samples_ns": [ 1028383 ]}
      {"n_prompt": 0, "n_gen": 4, "n_depth": 4, "avg_ns": 2921656, "stddev_ns": 0, "avg_ts": 1369.086573, "samples_ns": [ 2921656 ]}
      """;

  private static final Map<String, Double> TIMES = Map.of(
      "pp8", 1345175.0,
      "tg4", 2718002.0,
      "pp8+tg4", 4523193.0,
      "pp8 @ d4", 1028383.0,
      "tg4 @ d4", 2921656.0);

  @Test
  void testsAreNamedAsFoveaNamesThem() {
    assertEquals(TIMES, LlamaCpp.tokens("ggml: some words\n" + RECORDED));
  }

  @Test
  void readsTheTimeOfAPictureFromTheLog() {
    assertEquals(
        OptionalDouble.of(612e6),
        LlamaCpp.encoded("encoding image slice...\nimage slice encoded in 612 ms\ndecoding"));
    assertEquals(
        OptionalDouble.of(34e6),
        LlamaCpp.encoded("mtmd batch encoding done in 34 ms\nmtmd batch encoding done in 7 ms\n"));
    assertEquals(OptionalDouble.of(57_530e3), LlamaCpp.encoded("""
            0.59.731.190 I slot update_slots: id  0 | task 0 | processing
            0.59.973.201 I slot encode_mtmd_: id  0 | task 0 | encoding mtmd batch from idx = 5, n_chunks = 1
            1.00.030.731 I decoding image batch 1/1, n_tokens_batch = 576
            1.00.100.589 I image decoded (batch 1/1) in 70 ms
            """));
    assertTrue(LlamaCpp.encoded("image decoded (batch 1/1) in 34 ms").isEmpty());
  }

  @Test
  void runsTheBenchOnThePath() throws IOException {
    Path out = Files.writeString(folder.resolve("recorded"), RECORDED);
    Path said = folder.resolve("arguments");
    script("llama-bench", "echo \"$@\" > '" + said + "'; cat '" + out + "'");
    Path model = Files.createFile(folder.resolve("m.gguf"));
    LlamaCpp peer = peer(new Gguf(model, null), List.of("-p", "8", "-n", "4"));
    assertEquals(TIMES, peer.measure());
    assertEquals("-m " + model + " -t 2 -r 1 -o jsonl -p 8 -n 4\n", Files.readString(said));
    assertEquals("no mmproj file beside the model", peer.withoutPictures());
    assertEquals(0, peer.peakBytes());
  }

  @Test
  void namesWhatIsMeasuredBesideABusyNeighbour() throws IOException {
    Path out = Files.writeString(folder.resolve("recorded"), RECORDED);
    script("llama-bench", "cat '" + out + "'");
    Path model = Files.createFile(folder.resolve("m.gguf"));
    LlamaCpp peer = new LlamaCpp(
        Map.of("PATH", folder.toString()),
        new Gguf(model, null),
        2,
        List.of(),
        List.of("-n", "4"),
        List::of);
    Map<String, Double> times = new HashMap<>();
    TIMES.forEach((name, time) -> times.put(name + LlamaCpp.BUSY, time));
    assertEquals(times, peer.measure());
  }

  @Test
  void aBusyNeighbourComputesUntilItIsClosed() throws InterruptedException {
    Set<ProcessHandle> before = children();
    List<ProcessHandle> neighbours;
    try (Busy _ = new Busy()) {
      neighbours = children().stream().filter(p -> !before.contains(p)).toList();
      assertEquals(1, neighbours.size());
      Duration computed = computed(neighbours.getFirst());
      for (int i = 0; i < 200 && computed(neighbours.getFirst()).equals(computed); i++) {
        Thread.sleep(50);
      }
      assertTrue(computed(neighbours.getFirst()).compareTo(computed) > 0);
    }
    assertFalse(neighbours.getFirst().isAlive());
  }

  private static Set<ProcessHandle> children() {
    return ProcessHandle.current().children().collect(Collectors.toSet());
  }

  private static Duration computed(ProcessHandle process) {
    return process.info().totalCpuDuration().orElse(Duration.ZERO);
  }

  @Test
  void saysWhatIsMissing() throws IOException {
    Gguf pair = new Gguf(folder.resolve("m.gguf"), folder.resolve("mmproj.gguf"));
    InputException e = assertThrows(InputException.class, () -> peer(pair, List.of()));
    assertTrue(String.valueOf(e.getMessage()).contains("no llama-bench on the PATH"));
    script("llama-bench", "exit 3");
    assertEquals("no llama-server on the PATH", peer(pair, List.of()).withoutPictures());
    InputException failed =
        assertThrows(InputException.class, () -> peer(pair, List.of("-p", "8")).measure());
    assertTrue(String.valueOf(failed.getMessage()).contains("llama-bench ended with 3"));
  }

  @Test
  void aServerThatEndsIsAnErrorWithItsLastWords() throws IOException {
    script("llama-bench", "exit 0");
    script("llama-server", "echo 'cannot open the file'; exit 1");
    Gguf pair = new Gguf(folder.resolve("m.gguf"), folder.resolve("mmproj.gguf"));
    InputException e =
        assertThrows(InputException.class, () -> peer(pair, List.of()).measure());
    assertTrue(String.valueOf(e.getMessage()).endsWith("cannot open the file"), e.getMessage());
  }

  private LlamaCpp peer(Gguf files, List<String> loads) {
    return new LlamaCpp(Map.of("PATH", folder.toString()), files, 2, loads, List.of(), List::of);
  }

  private void script(String name, String body) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, "#!/bin/sh\nPATH=/usr/bin:/bin\n" + body + "\n");
    assertTrue(file.toFile().setExecutable(true));
  }
}
