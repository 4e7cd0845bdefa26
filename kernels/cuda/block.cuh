// What threads of a block do together: how many rows count, sums in a fixed order, word of bad data.
#pragma once

#include "cuda/kernel.cuh"
#include "cuda/report.h"

// A kernel's first line, in every thread: lets blocks of the next kernel come as this one's leave, and waits for all that the
// kernels before have written. Kernels that begin so are launched with Options::overlap.
FOVEA_DEVICE void take_turn() {
  pdl_launch();
  pdl_wait();
}

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

// Sum over the block, the same bits in each thread. partial: 32 floats of shared memory, of this sum alone.
FOVEA_DEVICE float block_sum(float v, float *partial) {
  v = warp_sum(v);
  unsigned lane = threadIdx.x % 32;
  if (lane == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  return warp_sum(lane < blockDim.x / 32 ? partial[lane] : 0.f);
}

// Four neighbours of a row of `width`, from i on: as one piece of 16 bytes, or one by one with zeros behind the row's end.
template <bool FOUR>
FOVEA_DEVICE float4 load_four(const float *row, unsigned i, unsigned width) {
  if constexpr (FOUR) {
    return *reinterpret_cast<const float4 *>(row + i);
  } else {
    return make_float4(row[i], i + 1 < width ? row[i + 1] : 0.f, i + 2 < width ? row[i + 2] : 0.f,
                       i + 3 < width ? row[i + 3] : 0.f);
  }
}

template <bool FOUR>
FOVEA_DEVICE void store_four(float *row, unsigned i, unsigned width, float4 v) {
  if constexpr (FOUR) {
    *reinterpret_cast<float4 *>(row + i) = v;
  } else {
    row[i] = v.x;
    if (i + 1 < width) row[i + 1] = v.y;
    if (i + 2 < width) row[i + 2] = v.z;
    if (i + 3 < width) row[i + 3] = v.w;
  }
}
