// y = x / sqrt(mean(x^2) + eps) * g for a row, see rms_norm.cu.
#pragma once

#include "cuda/block.cuh"
#include "cuda/rms_norm.h"

namespace {

// As `threads` threads do it, be the block's so many or fewer, that is, with the same bits. partial: 32 floats of shared memory.
template <bool FOUR>
FOVEA_DEVICE void rms_norm(const RmsNormParams &p, float *partial, int row, unsigned threads) {
  const float *x = p.x + int64_t{row} * p.width;
  float *y = p.y + int64_t{row} * p.width;
  unsigned lane = threadIdx.x % 32;
  for (unsigned thread = threadIdx.x; thread < threads; thread += blockDim.x) {
    float sum = 0;
    for (unsigned i = thread * 4; i < p.width; i += threads * 4) {
      float4 v = load_four<FOUR>(x, i, p.width);
      sum = fmaf(v.x, v.x, sum);
      sum = fmaf(v.y, v.y, sum);
      sum = fmaf(v.z, v.z, sum);
      sum = fmaf(v.w, v.w, sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) partial[thread / 32] = sum;
  }
  __syncthreads();
  float sum = warp_sum(lane < threads / 32 ? partial[lane] : 0.f);
  float scale = 1.f / sqrtf(sum / static_cast<float>(p.width) + p.eps);
  for (unsigned thread = threadIdx.x; thread < threads; thread += blockDim.x) {
    for (unsigned i = thread * 4; i < p.width; i += threads * 4) {
      float4 v = load_four<FOUR>(x, i, p.width);
      float4 g = load_four<FOUR>(p.g, i, p.width);
      store_four<FOUR>(
          y, i, p.width,
          make_float4(v.x * scale * g.x, v.y * scale * g.y, v.z * scale * g.z, v.w * scale * g.w));
    }
  }
}

}  // namespace
