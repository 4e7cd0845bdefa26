package dev.fovea.golden;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Sampling;
import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.engine.Decoding;
import dev.fovea.engine.Features;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Prompt;
import dev.fovea.engine.Runner;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tiny LLaVA checkpoints, pixels to 64 greedy tokens, against transformers. Logits agree to 1e-4 where activations are binary32. Where
 * the machine multiplies in bfloat16 every linear map rounds its activations by up to 2⁻⁹ of their size, so to first order values move by as
 * much per map on their way, and twice that is allowed: maps · 2⁻⁸ · the largest value.
 */
class GoldenTest {
  private static final int GENERATED = 64;
  /** Linear maps one after the other: patches, 4 in each of 2 blocks, the projector. */
  private static final int IMAGE_MAPS = 10;
  /** And 4 in each of 2 layers, and the head. */
  private static final int MAPS = IMAGE_MAPS + 9;

  @ParameterizedTest(name = "{0} on {1} {2}")
  @CsvSource({
    "gqa_mlp224, reference, ''",
    "llava15, cpu, ''",
    "llava15, cpu, scalar",
    "llava15, cpu, avx2",
    "linear336, cpu, ''",
    "llava1_startend, cpu, ''",
    "hf_turns, cpu, ''",
    "gqa_linear, cpu, ''",
    "gqa_mlp224, cpu, ''",
    "gqa_two_images, cpu, ''",
    "gqa_f16, cpu, ''",
    "chatspot_bf16, cpu, scalar",
    "chatspot_bf16, cpu, ''",
    "llava15, opencl, ''",
    "gqa_mlp224, opencl, ''",
    "gqa_two_images, opencl, ''",
    "gqa_f16, opencl, ''",
    "chatspot_bf16, opencl, ''",
  })
  void agreesWithTransformers(String name, String backend, String tier) {
    GoldenCase golden = GoldenCase.load(name);
    ModelConfig config = golden.config();
    boolean rounded = golden.dtype() == DType.BF16 && tier.isEmpty();
    List<Integer> prompt = golden.prompt();
    int length = prompt.size() + GENERATED - 1;
    try (Arena arena = Arena.ofShared();
        Device device =
            Backend.named(backend).open(new DeviceOptions(2, tier.isEmpty() ? null : tier));
        Generator generator = new Generator(
            device,
            config,
            new FormulaWeights(arena, golden.integer("case", "seed"), golden.dtype()),
            new Runner.Sizes(
                length + 1,
                length / 32 + 3,
                32,
                DType.F32,
                256,
                256,
                config.decoder().vocabulary()))) {
      List<Features> pictures = look(golden, generator.runner(), arena, rounded);
      Checker checker = new Checker(golden, rounded);
      try (Decoding decoding =
          generator.begin(new Prompt(prompt, pictures), Sampling.GREEDY, GENERATED)) {
        decoding.trace(checker::logits);
        assertTrue(decoding.prefill(() -> false));
        List<Integer> generated = new ArrayList<>();
        for (int i = 0; i < GENERATED; i++) {
          generated.add(decoding.next());
        }
        assertEquals(golden.integers("generated"), generated, name + ": greedy tokens");
      }
      assertEquals(length, checker.positions, "every position must have been compared");
    }
  }

  /** Preprocesses and encodes the case's pictures, comparing pixels and features on the way. */
  private static List<Features> look(
      GoldenCase golden, Runner runner, Arena arena, boolean rounded) {
    ModelConfig config = golden.config();
    int side = config.vision().imageSize();
    int width = config.decoder().width();
    Preprocessing preprocessing = Preprocessing.clip(golden.mode(), side);
    List<Features> features = new ArrayList<>();
    for (Picture picture : golden.pictures()) {
      int index = features.size();
      MemorySegment pixels = arena.allocate(4L * 3 * side * side, 64);
      int rows = config.vision().features();
      MemorySegment data = arena.allocate(4L * rows * width, 64);
      runner.encode(preprocessing.resampling(picture), data);
      runner.pixels(pixels);
      for (int i = 0; i < golden.at("pixel_spots").size(); i++) {
        var spot = golden.at("pixel_spots").get(i);
        int at = (spot.get(0).asInt() * side + spot.get(1).asInt()) * side
            + spot.get(2).asInt();
        assertEquals(
            golden.number("pixels", index, i),
            pixels.getAtIndex(JAVA_FLOAT, at),
            1e-6,
            "pixel " + spot);
      }
      List<Integer> sampled = golden.integers("patch_rows");
      for (int r = 0; r < sampled.size(); r++) {
        for (int i = 0; i < width; i++) {
          float found = data.getAtIndex(JAVA_FLOAT, (long) sampled.get(r) * width + i);
          assertEquals(
              golden.number("projected", index, r, i),
              found,
              rounded
                  ? IMAGE_MAPS * 0x1p-8 * golden.at("magnitude", "projected").asDouble()
                  : 1e-4,
              "feature " + sampled.get(r) + "," + i);
        }
      }
      features.add(new Features(rows, data, index + 1));
    }
    return features;
  }

  /** Compares each position's logits as they come. */
  private static final class Checker {
    private final GoldenCase golden;
    private final double bound;
    private final List<Integer> columns;
    private int positions;

    Checker(GoldenCase golden, boolean rounded) {
      this.golden = golden;
      this.bound = rounded ? MAPS * 0x1p-8 * golden.at("magnitude", "logits").asDouble() : 1e-4;
      this.columns = golden.integers("logit_columns");
    }

    void logits(int position, MemorySegment row) {
      for (int c = 0; c < columns.size(); c++) {
        float found = row.getAtIndex(JAVA_FLOAT, columns.get(c));
        assertEquals(
            golden.number("logits", position, c),
            found,
            bound,
            golden.name() + ": logit " + position + "," + columns.get(c));
      }
      positions++;
    }
  }
}
