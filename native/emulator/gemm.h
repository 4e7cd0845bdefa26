// The emulated device's matrix product: the one kernel that stands in for another library.
#pragma once

#include <stdint.h>

// C [m,n] = alpha op(A) op(B) + beta C with the conventions of BLAS: column by column, columns lda, ldb and ldc elements apart;
// op(X) is X or, where `turn_x`, its transpose. A and B are of one type, FOVEA_F32, FOVEA_F16 or FOVEA_BF16; C is f32.
struct GemmParams {
  const void *a, *b;
  float *c;
  int64_t m, n, k, lda, ldb, ldc;
  int32_t turn_a, turn_b;
  int32_t dtype;
  float alpha, beta;
  uint8_t *workspace;  // filled with what nobody should read; may be null
  int64_t workspace_bytes;
};

constexpr int GEMM_THREADS = 128;
constexpr const char *GEMM_NAME = "emulator_gemm";
