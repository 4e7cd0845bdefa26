package dev.fovea;

/**
 * Positions that an answer took.
 *
 * @param promptTokens all of the prompt, pictures included
 * @param imageTokens of these, rows of pictures
 * @param cachedTokens of these, how many were not computed again
 * @param completionTokens tokens of the answer
 */
public record Usage(int promptTokens, int imageTokens, int cachedTokens, int completionTokens) {}
