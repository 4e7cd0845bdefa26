/**
 * The cuda backend: kernels of our own behind the C ABI on a device that JCuda looks after, and the same kernels and launchers on an
 * emulated device ({@code cuda-emulated}). Depends on core and the bindings; the only package that may know JCuda, and one of those that
 * may touch {@link java.lang.foreign.Linker}. Start at {@link dev.fovea.cuda.CudaBackend}, then {@code CudaExecutable}; the ABI is {@code
 * native/include/fovea/cuda.h}.
 */
@NullMarked
package dev.fovea.cuda;

import org.jspecify.annotations.NullMarked;
