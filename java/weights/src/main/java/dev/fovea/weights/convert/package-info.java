/**
 * Turning a checkpoint into the pair of GGUF files that both Fovea and llama.cpp load. Depends on the readers and writers of
 * {@code dev.fovea.weights} and on core. Start at {@link dev.fovea.weights.convert.Quantizer}.
 */
@NullMarked
package dev.fovea.weights.convert;

import org.jspecify.annotations.NullMarked;
