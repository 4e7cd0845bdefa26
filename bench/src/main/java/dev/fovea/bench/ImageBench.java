package dev.fovea.bench;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.fovea.backend.Executable;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.Llava;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.program.Cost;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One picture through CLIP ViT-L/14 and LLaVA-1.5's projector, with random weights. */
@State(Scope.Benchmark)
public class ImageBench {
  private static final int WIDTH = 4096; // of Vicuna-7B

  @Param({"224", "336"})
  public int side = 224;

  @Param({"f16", "bf16"})
  public String weights = "f16";

  /** Blocks that are run: 23 in LLaVA. */
  @Param("23")
  public int blocks = 23;

  private final Arena arena = Arena.ofShared();
  private @Nullable Executable picture;
  private Meter meter = Meter.current();
  private MemorySegment first = MemorySegment.NULL;
  private MemorySegment again = MemorySegment.NULL;

  @Setup(Level.Trial)
  public void open(OpenDevice device) {
    VisionConfig vision = new VisionConfig(
        side, 14, 1024, 16, 4096, blocks + 1, blocks, 1e-5, false, VisionTower.Keep.PATCH);
    DecoderConfig unused =
        new DecoderConfig(WIDTH, 11008, 1, 32, 32, 128, 32000, 2048, 1e-5, 1e4, 1, false);
    RandomWeights types = new RandomWeights(arena, DType.parse(weights));
    Llava llava =
        new Llava(new ModelConfig(vision, ProjectorConfig.mlp2xGelu(), unused), types::dtype);
    MemorySegment pixels = arena.allocate(4L * 3 * side * side, 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long i = 0; i < pixels.byteSize() / 4; i++) {
      pixels.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    Executable compiled = device.compile(llava.picture(), Map.of("pixels", pixels));
    picture = compiled;
    long bytes = 4L * vision.features() * WIDTH;
    again = arena.allocate(bytes, 64);
    first = arena.allocate(bytes, 64);
    encode(first);
    for (long i = 0; i < bytes / 4; i++) {
      float y = first.getAtIndex(JAVA_FLOAT, i);
      if (!Float.isFinite(y)) {
        throw new AssertionError("features[" + i + "] = " + y);
      }
    }
    Cost cost = Cost.of(compiled.plan());
    meter = Meter.start((double) cost.bytes(), cost.operations(), device.ceilings());
  }

  private void encode(MemorySegment to) {
    if (picture == null) {
      throw new IllegalStateException("not set up");
    }
    picture.run();
    picture.read("features", to);
  }

  @Benchmark
  public void run() {
    long start = System.nanoTime();
    encode(again);
    meter.record(System.nanoTime() - start);
  }

  /** The same picture gives the same bits, however often it was encoded. */
  @TearDown(Level.Trial)
  public void close() {
    long at = again.mismatch(first);
    if (at >= 0) {
      throw new AssertionError("other bits at byte " + at + " than at first");
    }
    arena.close();
  }
}
