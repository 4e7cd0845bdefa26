package dev.fovea.cuda;

import dev.fovea.error.BackendException;
import dev.fovea.tensor.DType;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's cuBLAS through JCublas, for one stream. Sums are f32 throughout: no TF32, no sums rounded to half. It works in memory that it
 * is given, so that its launches can be captured and the same product always has the same bits.
 */
final class Cublas implements Gemm, AutoCloseable {
  /** What NVIDIA recommends for 9.0, the most of all. */
  static final long WORKSPACE_BYTES = 32L << 20;

  /** An address that native code gives. */
  private static final class Address extends Pointer {
    Address(long address) {
      super(address);
    }
  }

  /** JCublas' native part, loaded once; or why it cannot be. */
  private static final class Loaded {
    static final @Nullable String PROBLEM = Library.isThere("libcublas.so.12")
        ? JCudaNatives.load("JCublas2", () -> JCublas2.setExceptionsEnabled(false))
        : "libcublas.so.12 cannot be loaded";
  }

  private static final Pointer ONE = Pointer.to(new float[] {1});
  private static final Pointer ZERO = Pointer.to(new float[] {0});

  private final cublasHandle handle = new cublasHandle();

  /** @param workspace as many bytes of the device as {@link #WORKSPACE_BYTES}, aligned to 256 */
  Cublas(CUstream stream, CUdeviceptr workspace) {
    check(JCublas2.cublasCreate(handle), "starting it");
    try {
      check(JCublas2.cublasSetStream(handle, new cudaStream_t(stream)), "giving it a stream");
      // After the stream, which takes the workspace away.
      check(
          JCublas2.cublasSetWorkspace(handle, workspace, WORKSPACE_BYTES), "giving it a workspace");
      check(
          JCublas2.cublasSetMathMode(
              handle, cublasMath.CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
          "setting its mode");
    } catch (BackendException e) {
      close();
      throw e;
    }
  }

  /** Why there is no cuBLAS on this machine; null if there is. */
  static @Nullable String problem() {
    return Loaded.PROBLEM;
  }

  /** {@code cuBLAS 12.6.4}. */
  static String version() {
    StringBuilder version = new StringBuilder("cuBLAS ");
    for (int part = 0; part < 3; part++) { // libraryPropertyType: major, minor, patch
      int[] value = new int[1];
      check(JCublas2.cublasGetProperty(part, value), "its version");
      version.append(part == 0 ? "" : ".").append(value[0]);
    }
    return version.toString();
  }

  private static void check(int status, String what) {
    if (status != cublasStatus.CUBLAS_STATUS_SUCCESS) {
      throw new BackendException("cuBLAS: " + what + ": " + cublasStatus.stringFor(status));
    }
  }

  @Override
  public int multiply(
      int dtype, int rows, int outs, int width, long x, int step, long w, long y, long stream) {
    boolean single = dtype == DType.F32.code();
    int type = single
        ? cudaDataType.CUDA_R_32F
        : dtype == DType.F16.code() ? cudaDataType.CUDA_R_16F : cudaDataType.CUDA_R_16BF;
    // cuBLAS counts along columns. What lies there row by row is the transpose: yᵀ = w·xᵀ.
    return JCublas2.cublasGemmEx_new(
        handle,
        cublasOperation.CUBLAS_OP_T,
        cublasOperation.CUBLAS_OP_N,
        outs,
        rows,
        width,
        ONE,
        new Address(w),
        type,
        width,
        new Address(x),
        type,
        step,
        ZERO,
        new Address(y),
        cudaDataType.CUDA_R_32F,
        outs,
        single
            ? cublasComputeType.CUBLAS_COMPUTE_32F_PEDANTIC
            : cublasComputeType.CUBLAS_COMPUTE_32F,
        cublasGemmAlgo.CUBLAS_GEMM_DEFAULT);
  }

  @Override
  public void close() {
    JCublas2.cublasDestroy(handle);
  }
}
