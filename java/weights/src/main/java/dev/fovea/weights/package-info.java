/**
 * Weight files, memory-mapped and checked before use: safetensors, GGUF, and the names that model families give their tensors.
 * Depends on core's tensors and errors, and on Jackson for the JSON in headers. Start at {@link dev.fovea.weights.Weights}, which
 * finds a tensor by what it is for, or at {@link dev.fovea.weights.TensorFile}, which lists one file.
 */
@NullMarked
package dev.fovea.weights;

import org.jspecify.annotations.NullMarked;
