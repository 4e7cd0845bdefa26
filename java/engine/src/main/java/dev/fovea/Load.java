package dev.fovea;

/**
 * How busy a model is.
 *
 * @param answering questions being answered
 * @param waiting questions that wait for their turn
 * @param most questions answered at once at most
 * @param pagesUsed pages of the key-value cache that those being answered hold
 * @param pages pages of the key-value cache
 */
public record Load(int answering, int waiting, int most, int pagesUsed, int pages) {}
