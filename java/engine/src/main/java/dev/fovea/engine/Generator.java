package dev.fovea.engine;

import dev.fovea.Sampling;
import dev.fovea.backend.Device;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;

/** Answers prompts, one at a time, sharing what they have in common. One thread at a time. */
public final class Generator implements AutoCloseable {
  private final Runner runner;
  private final PrefixCache cache;

  public Generator(Device device, ModelConfig config, ParameterSource weights, Runner.Sizes sizes) {
    this.runner = new Runner(device, config, weights, sizes);
    this.cache = new PrefixCache(runner);
  }

  public Runner runner() {
    return runner;
  }

  /**
   * Begins an answer; the caller closes it before beginning the next.
   *
   * @param most tokens that the answer may have; only room is made for them
   */
  public Decoding begin(Prompt prompt, Sampling sampling, int most) {
    return new Decoding(runner, cache, prompt, sampling, most);
  }

  /** Forgets every kept sequence. */
  public void forget() {
    cache.clear();
  }

  @Override
  public void close() {
    runner.close();
  }
}
