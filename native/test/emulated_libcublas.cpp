// A libcublas.so.12 for machines without a GPU, beside emulated_libcuda.cpp: the calls that Fovea makes through JCublas end in a
// kernel of plain loops on the emulated device, in the stream's order, so that captures record them. Where the real one is
// lenient this one is strict: it wants a workspace for its products and spoils it, and only knows the modes it is meant to be in.

#include <stdint.h>
#include <stdlib.h>

#include "cuda/driver.h"
#include "emulator/gemm.h"
#include "fovea/fovea.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace fovea;

extern "C" CUresult cuModuleGetFunction(CUfunction *, CUmodule, const char *);
extern "C" CUresult cuLaunchKernelEx(const CUlaunchConfig *, CUfunction, void **, void **);

namespace {

// Numbers of cublas_api.h and library_types.h.
enum {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  INVALID_VALUE = 7,
  EXECUTION_FAILED = 13,
  NOT_SUPPORTED = 15
};
enum { R_32F = 0, R_16F = 2, R_16BF = 14 };
enum { COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69 };
enum { PEDANTIC_MATH = 2, NO_REDUCED_PRECISION = 16 };

struct Handle {
  CUstream stream = nullptr;
  uint8_t *workspace = nullptr;
  size_t workspace_bytes = 0;
  int math = 0;
};

}  // namespace

EXPORT int cublasCreate_v2(Handle **handle) { return *handle = new Handle, SUCCESS; }
EXPORT int cublasDestroy_v2(Handle *handle) {
  if (!handle) return NOT_INITIALIZED;
  return delete handle, SUCCESS;
}
EXPORT int cublasGetProperty(int type, int *value) {
  if (type < 0 || type > 2) return INVALID_VALUE;
  return *value = type == 0 ? 12 : 0, SUCCESS;
}
EXPORT int cublasSetStream_v2(Handle *handle, CUstream stream) {
  if (!handle) return NOT_INITIALIZED;
  handle->stream = stream;
  handle->workspace = nullptr;  // as documented: back to its own
  handle->workspace_bytes = 0;
  return SUCCESS;
}
EXPORT int cublasSetWorkspace_v2(Handle *handle, void *workspace, size_t bytes) {
  if (!handle) return NOT_INITIALIZED;
  if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0) return INVALID_VALUE;
  handle->workspace = static_cast<uint8_t *>(workspace);
  handle->workspace_bytes = bytes;
  return SUCCESS;
}
EXPORT int cublasSetMathMode(Handle *handle, int mode) {
  if (!handle) return NOT_INITIALIZED;
  return handle->math = mode, SUCCESS;
}

EXPORT int cublasGemmEx(Handle *handle, int turn_a, int turn_b, int m, int n, int k,
                        const void *alpha, const void *a, int a_type, int lda, const void *b,
                        int b_type, int ldb, const void *beta, void *c, int c_type, int ldc,
                        int compute, int) {
  if (!handle) return NOT_INITIALIZED;
  if (m < 0 || n < 0 || k < 0 || lda < (turn_a ? k : m) || ldb < (turn_b ? n : k) || ldc < m ||
      !alpha || !beta)
    return INVALID_VALUE;
  if (a_type != b_type || c_type != R_32F) return NOT_SUPPORTED;
  bool single = a_type == R_32F;
  if (!single && a_type != R_16F && a_type != R_16BF) return NOT_SUPPORTED;
  // Sums that may be rounded to half, and factors that may be cut to 11 bits, are not what Fovea's bounds allow.
  if (single ? compute != COMPUTE_32F_PEDANTIC
             : compute != COMPUTE_32F || handle->math != NO_REDUCED_PRECISION)
    return NOT_SUPPORTED;
  if (!handle->workspace) return NOT_SUPPORTED;
  GemmParams params{
      a,
      b,
      static_cast<float *>(c),
      m,
      n,
      k,
      lda,
      ldb,
      ldc,
      turn_a,
      turn_b,
      single            ? FOVEA_F32
      : a_type == R_16F ? FOVEA_F16
                        : FOVEA_BF16,
      *static_cast<const float *>(alpha),
      *static_cast<const float *>(beta),
      handle->workspace,
      handle->workspace_bytes < 4096 ? static_cast<int64_t>(handle->workspace_bytes) : 4096};
  CUlaunchConfig config{};
  config.gridDimX = static_cast<unsigned>((int64_t{m} * n + GEMM_THREADS - 1) / GEMM_THREADS);
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = GEMM_THREADS;
  config.hStream = handle->stream;
  CUfunction function = nullptr;
  void *list[] = {&params};
  if (cuModuleGetFunction(&function, nullptr, GEMM_NAME) ||
      cuLaunchKernelEx(&config, function, list, nullptr))
    return EXECUTION_FAILED;
  return SUCCESS;
}
