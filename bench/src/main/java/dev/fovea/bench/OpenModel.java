package dev.fovea.bench;

import dev.fovea.Sampling;
import dev.fovea.engine.Decoding;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Prompt;
import dev.fovea.engine.Runner;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** A model from files, compiled for the benchmark's device. */
@State(Scope.Benchmark)
public class OpenModel {
  private static final int PAGE = 32;

  /** A model folder or GGUF file; empty for the demo model. */
  @Param("")
  public String model = "";

  private @Nullable LoadedModel loaded;
  private @Nullable Generator generator;

  /** The files to open. */
  static Path path(String model) {
    return model.isEmpty()
        ? Path.of(System.getProperty("fovea.root", "."), "models", "demo")
        : Path.of(model);
  }

  @Setup(Level.Trial)
  public void open(OpenDevice device) {
    LoadedModel files =
        LoadedModel.open(path(model), new OpenOptions(null, null, null, null, null));
    loaded = files;
    int context = Math.min(2048, files.config().decoder().context());
    Runner.Sizes sizes = new Runner.Sizes(
        context,
        2 * ((context + PAGE - 1) / PAGE),
        PAGE,
        DType.F16,
        Math.min(512, context),
        1,
        files.textVocabulary());
    generator = new Generator(device.device(), files.config(), files.parameters(), sizes);
  }

  Generator generator() {
    if (generator == null) {
      throw new IllegalStateException("not set up");
    }
    return generator;
  }

  Runner runner() {
    return generator().runner();
  }

  /** So many seeded random tokens. */
  Prompt prompt(int length) {
    SplittableRandom random = new SplittableRandom(7);
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < length; i++) {
      ids.add(random.nextInt(runner().sizes().vocabulary()));
    }
    return new Prompt(ids, List.of());
  }

  /** Reads a prompt that no cache knows; the greedy token after it. */
  int first(Prompt prompt) {
    generator().forget();
    try (Decoding decoding = generator().begin(prompt, Sampling.GREEDY, 1)) {
      if (!decoding.prefill(() -> false)) {
        throw new AssertionError("the prompt was not read to its end");
      }
      return decoding.next();
    }
  }

  @TearDown(Level.Trial)
  public void close() {
    generator().close();
    if (loaded != null) {
      loaded.close();
    }
  }
}
