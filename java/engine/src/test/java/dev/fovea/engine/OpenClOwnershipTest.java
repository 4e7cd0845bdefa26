package dev.fovea.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Sampling;
import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.golden.TinyModel;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class OpenClOwnershipTest {

  /** Contexts, queues, programs, kernels, buffers and events: as many as before, however often an engine was there. */
  @Test
  void twoHundredEnginesLeaveNothingBehind() {
    Backend backend = Backend.named("opencl");
    long before = backend.live().orElseThrow();
    Set<List<Integer>> answers = new HashSet<>();
    try (Arena arena = Arena.ofShared()) {
      var parameters = TinyModel.parameters(arena, DType.Q4_0);
      for (int i = 0; i < 200; i++) {
        try (Device device = backend.open(DeviceOptions.DEFAULT);
            Generator generator = new Generator(
                device,
                TinyModel.CONFIG,
                parameters,
                new Runner.Sizes(
                    64, 8, 4, DType.F16, 16, 16, TinyModel.CONFIG.decoder().vocabulary()))) {
          assertTrue(backend.live().orElseThrow() > before);
          if (i % 50 == 0) { // what was never run is easily given back
            Decoding decoding =
                generator.begin(new Prompt(List.of(1, 5, 9, 3), List.of()), Sampling.GREEDY, 8);
            assertTrue(decoding.prefill(() -> false));
            java.util.ArrayList<Integer> tokens = new java.util.ArrayList<>();
            for (int n = 0; n < 8; n++) {
              tokens.add(decoding.next());
            }
            decoding.close();
            answers.add(tokens);
          }
        }
        assertEquals(before, backend.live().orElseThrow(), "after engine " + i);
      }
    }
    assertEquals(1, answers.size(), answers.toString());
  }
}
