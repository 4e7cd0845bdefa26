package dev.fovea.engine;

import java.lang.foreign.MemorySegment;

/**
 * A picture as the decoder sees it.
 *
 * @param rows feature rows
 * @param data [rows,D] f32
 * @param hash of everything that determines the features: the picture's bytes and size
 */
public record Features(int rows, MemorySegment data, long hash) {}
