// A matrix product in plain loops, one thread for each element.

#include "cuda/kernel.cuh"
#include "emulator/gemm.h"
#include "include/fovea/fovea.h"

namespace {

FOVEA_DEVICE float element(const void *x, int64_t at, int32_t dtype) {
  if (dtype == FOVEA_F32) return static_cast<const float *>(x)[at];
  uint16_t half = static_cast<const uint16_t *>(x)[at];
  return dtype == FOVEA_F16 ? f16_to_f32(half) : bf16_to_f32(half);
}

}  // namespace

FOVEA_KERNEL(emulator_gemm, GemmParams, GEMM_THREADS) {
  int64_t at = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at < p.workspace_bytes) p.workspace[at] = 0xff;
  if (at >= p.m * p.n) return;
  int64_t i = at % p.m, j = at / p.m;
  float sum = 0;
  for (int64_t k = 0; k < p.k; k++)
    sum = fmaf(element(p.a, p.turn_a ? i * p.lda + k : k * p.lda + i, p.dtype),
               element(p.b, p.turn_b ? k * p.ldb + j : j * p.ldb + k, p.dtype), sum);
  float *c = p.c + j * p.ldc + i;
  *c = p.beta == 0 ? p.alpha * sum : p.alpha * sum + p.beta * *c;
}
