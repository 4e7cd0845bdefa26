package dev.fovea;

/**
 * Where the time went, in milliseconds.
 *
 * @param queuedMs from the question until its turn came
 * @param imageMs decoding features of pictures not seen before
 * @param promptMs computing the prompt's positions that were not cached
 * @param predictedMs computing the answer's tokens
 * @param firstTokenMs from the question to its first token
 */
public record Timings(
    double queuedMs, double imageMs, double promptMs, double predictedMs, double firstTokenMs) {}
