// Blocks of eight bits made of binary32, as ggml's reference makes them.
#pragma once

#include "cuda/kernel.cuh"

// The 32 numbers of a block, held by LANES lanes side by side, all 32 lanes of the warp at once: v becomes q, the return value is d
// in binary16, the same in each. d = max|v| / 127, q = v (1/d) to the nearest, halves away from zero; each step is one
// rounded operation of binary32, so that kernels everywhere make the same bytes.
template <int LANES>
FOVEA_DEVICE uint16_t quantize_block(float (&v)[32 / LANES]) {
  float most = 0;
#pragma unroll
  for (int i = 0; i < 32 / LANES; i++) most = fmaxf(most, fabsf(v[i]));
#pragma unroll
  for (int mask = LANES / 2; mask > 0; mask /= 2)
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
  float d = most / 127.f;
  float inverse = d == 0 ? 0 : 1.f / d;
#pragma unroll
  for (int i = 0; i < 32 / LANES; i++) {
    // A NaN becomes -127, as does what 1/d leaves of numbers below 2^-121.
    float x = fminf(fmaxf(v[i] * inverse, -127.f), 127.f);
    float whole = static_cast<float>(static_cast<int>(x)), rest = x - whole;
    v[i] = rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole;
  }
  return f32_to_f16(d);
}
