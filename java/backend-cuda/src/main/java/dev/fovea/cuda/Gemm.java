package dev.fovea.cuda;

/** A matrix product of another library, as {@code fovea_cuda_gemm} of {@code cuda.h}; native code calls it while it enqueues steps. */
@FunctionalInterface
interface Gemm {
  /**
   * Enqueues y = x·wᵀ. Must not throw: native code is the caller.
   *
   * @param dtype of x [rows,width] and w [outs,width], {@link dev.fovea.tensor.DType#code}; y [rows,outs] is f32
   * @param step elements from a row of x to the next
   * @return 0, or what the library says went wrong
   */
  int multiply(
      int dtype, int rows, int outs, int width, long x, int step, long w, long y, long stream);
}
