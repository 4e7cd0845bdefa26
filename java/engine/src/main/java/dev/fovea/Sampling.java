package dev.fovea;

import dev.fovea.error.InputException;

/**
 * How the next token is chosen from the logits: repetition penalty, then temperature, then min-p, top-k and top-p on what is left, then a
 * draw.
 *
 * @param temperature 0 takes the most likely token
 * @param topK keep that many of the most likely tokens; 0 keeps all
 * @param topP keep the most likely tokens that together reach this probability; 1 keeps all. Holtzman et al. 2019, arXiv:1904.09751
 * @param minP keep tokens at least this fraction as likely as the most likely; 0 keeps all. Nguyen et al. 2024, arXiv:2407.01082
 * @param repetitionPenalty divides positive and multiplies negative logits of tokens seen before; 1 does nothing. Keskar et al. 2019,
 *     arXiv:1909.05858, section 4.1
 * @param seed the same seed draws the same tokens
 */
public record Sampling(
    double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
  public static final Sampling GREEDY = new Sampling(0, 0, 1, 0, 1, 0);

  public Sampling {
    require(temperature >= 0 && temperature <= 100, "temperature", "0 to 100", temperature);
    require(topK >= 0, "top_k", "0 (all) or more", topK);
    require(topP > 0 && topP <= 1, "top_p", "above 0, up to 1", topP);
    require(minP >= 0 && minP <= 1, "min_p", "0 to 1", minP);
    require(
        repetitionPenalty > 0 && repetitionPenalty <= 100,
        "repetition_penalty",
        "above 0, up to 100",
        repetitionPenalty);
  }

  private static void require(boolean holds, String field, String expected, Object found) {
    if (!holds) {
      throw InputException.mismatch(field, expected, found);
    }
  }
}
