// What threads of a block do together: how many rows count, sums in a fixed order, word of bad data.
#pragma once

#include "cuda/kernel.cuh"
#include "cuda/report.h"

// The first report of a run stays.
FOVEA_DEVICE void report(const Report &r) { atomicCAS(r.cell, 0, r.code); }

// The same for every thread of the grid. A number that makes no sense is reported and cut to one that does.
FOVEA_DEVICE int live_rows(const Rows &r) {
  if (!r.live) return r.count;
  int n = *r.live;
  if (n >= 0 && n <= r.count) return n;
  report(r.error);
  return n < 0 ? 0 : r.count;
}

// Sum over the 32 lanes, the same bits in each.
FOVEA_DEVICE float warp_sum(float v) {
  for (int mask = 16; mask > 0; mask >>= 1) v += __shfl_xor_sync(0xffffffffu, v, mask);
  return v;
}

FOVEA_DEVICE float warp_max(float v) {
  for (int mask = 16; mask > 0; mask >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, mask));
  return v;
}

// Sum over a block of WARPS warps, the same bits in each thread. partial: WARPS floats of shared memory, free again after the
// caller's next barrier.
template <int WARPS>
FOVEA_DEVICE float block_sum(float v, float *partial) {
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < WARPS; i++) sum += partial[i];
  return sum;
}
