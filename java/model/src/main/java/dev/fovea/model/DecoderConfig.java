package dev.fovea.model;

import dev.fovea.error.InputException;

/**
 * Dims of a LLaMA decoder.
 *
 * @param width D
 * @param ffn F
 * @param heads H
 * @param keyHeads Hk, a divisor of H
 * @param headWidth Dh
 * @param vocabulary V, rows of the embedding table
 * @param context positions it was trained for
 * @param eps of its RMS norms
 * @param theta base of the rotary frequencies
 * @param positionScale factor on positions: 1, or 1/f for a context stretched linearly by f
 * @param rotaryNeighbours whether query and key rows are stored so that rotary pairs are neighbours, as GGUF files have them
 */
public record DecoderConfig(
    int width,
    int ffn,
    int layers,
    int heads,
    int keyHeads,
    int headWidth,
    int vocabulary,
    int context,
    double eps,
    double theta,
    double positionScale,
    boolean rotaryNeighbours) {

  public DecoderConfig {
    Check.between("hidden_size", width, 1, 1 << 16);
    Check.between("intermediate_size", ffn, 1, 1 << 18);
    Check.between("num_hidden_layers", layers, 1, 1000);
    Check.between("num_attention_heads", heads, 1, 1024);
    Check.between("num_key_value_heads", keyHeads, 1, heads);
    Check.between("head_dim", headWidth, 2, 1024);
    Check.between("vocab_size", vocabulary, 1, 1 << 20);
    Check.between("max_position_embeddings", context, 1, 1 << 24);
    Check.epsilon("rms_norm_eps", eps);
    Check.positive("rope_theta", theta);
    Check.positive("rope scale", positionScale);
    if (heads % keyHeads != 0) {
      throw InputException.mismatch(
          "num_key_value_heads", "a divisor of the " + heads + " heads", keyHeads);
    }
    if (headWidth % 2 != 0) {
      throw InputException.mismatch("head_dim", "an even number", headWidth);
    }
  }
}
