package dev.fovea.cli;

import dev.fovea.Generation;
import dev.fovea.Sampling;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Flags that say how an answer is written. */
class SamplingFlags {
  /** More than any context holds. */
  private static final int UNLIMITED = 1 << 20;

  @Option(
      names = {"-n", "--max-tokens", "--n-predict"},
      paramLabel = "N",
      description = "Most tokens of an answer; -1 for as many as the context holds.")
  int maxTokens = Generation.DEFAULT.maxTokens();

  @Option(names = "--temp", paramLabel = "T", description = "Temperature; 0 is greedy.")
  double temp;

  @Option(
      names = "--top-k",
      paramLabel = "N",
      description = "Keep the N most likely tokens; 0 keeps all.")
  int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Keep the most likely tokens up to this probability.")
  double topP = 1;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      description = "Keep tokens this likely relative to the best.")
  double minP;

  @Option(
      names = "--repeat-penalty",
      paramLabel = "R",
      description = "Divide the logits of tokens seen before; 1 does nothing.")
  double repeatPenalty = 1;

  @Option(
      names = {"-s", "--seed"},
      paramLabel = "N",
      description = "The same seed gives the same answer.")
  long seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End the answer before this text; repeatable.")
  List<String> stop = new ArrayList<>();

  Generation generation() {
    return Generation.DEFAULT
        .withMaxTokens(maxTokens == -1 ? UNLIMITED : maxTokens)
        .withSampling(new Sampling(temp, topK, topP, minP, repeatPenalty, seed))
        .withStop(stop);
  }
}
