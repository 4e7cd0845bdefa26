/**
 * What a backend offers: devices, buffers, kernels, executables. Depends on programs and tensors; backends are found by {@link
 * java.util.ServiceLoader}. Start at {@link dev.fovea.backend.Backend}.
 */
@NullMarked
package dev.fovea.backend;

import org.jspecify.annotations.NullMarked;
