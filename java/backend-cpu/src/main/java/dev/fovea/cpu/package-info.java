/**
 * The cpu backend: native SIMD kernels behind the C ABI, bound with the Foreign Function and Memory API. Depends on the backend
 * interfaces of core; the only package of this module, and the only one here that may touch {@link java.lang.foreign.Linker}. Start at
 * {@link dev.fovea.cpu.CpuBackend}; the ABI is {@code native/include/fovea/fovea.h}.
 */
@NullMarked
package dev.fovea.cpu;

import org.jspecify.annotations.NullMarked;
