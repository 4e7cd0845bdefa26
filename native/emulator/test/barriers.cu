// Kernels that are right, and wrong in one way each: barriers and collectives.

#include "cuda/kernel.cuh"
#include "test/kernels.h"

// y[block] = the sum of 256 of x, as a tree in shared memory.
// 1: no barrier in the tree; 2: none before it; 3: a barrier that a branch leaves out; 4: a barrier in each of two branches.
FOVEA_KERNEL(tree_sum__shared, TestParams, 256) {
  FOVEA_SHARED(float, partial, 256);
  unsigned t = threadIdx.x;
  partial[t] = p.x[blockIdx.x * 256 + t];
  if (p.fault != 2) __syncthreads();
  for (unsigned step = 128; step > 0; step /= 2) {
    if (t < step) partial[t] += partial[t + step];
    if (p.fault == 3) {
      if (t < 64) __syncthreads();
    } else if (p.fault == 4 && t >= 64) {
      __syncthreads();
    } else if (p.fault != 1) {
      __syncthreads();
    }
  }
  __syncthreads();
  if (t == 0) p.y[blockIdx.x] = partial[0];
}

// y[i] = the sum of x over the warp of i, by shuffles.
// 1: a lane leaves before; 2: from a lane that takes no part; 3: a mask without the caller; 4: half of the warp elsewhere.
FOVEA_KERNEL(warp_sum__shuffle, TestParams, 128) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  float v = p.x[i];
  if (p.fault == 1 && threadIdx.x % 32 == 7) return;
  if (p.fault == 2) {
    if (threadIdx.x % 32 < 16) p.y[i] = __shfl_sync(0xffffu, v, 20);
    return;
  }
  if (p.fault == 3 && threadIdx.x == 3) v = __shfl_sync(0x1u, v, 0);
  if (p.fault == 4 && threadIdx.x % 32 < 16) __syncwarp();
  for (int mask = 16; mask > 0; mask /= 2) v += __shfl_xor_sync(0xffffffffu, v, mask);
  p.y[i] = v;
}

// Each warp turns 32 numbers round in shared memory.
// 1: no barrier of the warp between; 2: one of half the warp.
FOVEA_KERNEL(reverse__warp, TestParams, 128) {
  FOVEA_SHARED(float, line, 128);
  unsigned lane = threadIdx.x % 32, first = threadIdx.x - lane;
  unsigned i = blockIdx.x * blockDim.x;
  line[threadIdx.x] = p.x[i + threadIdx.x];
  if (p.fault == 0) __syncwarp();
  if (p.fault == 2) __syncwarp(lane < 16 ? 0x0000ffffu : 0xffff0000u);
  p.y[i + threadIdx.x] = line[first + 31 - lane];
}

// Threads leave early; the others go on with their barriers. Pairs of lanes exchange through shared memory and barriers of two.
FOVEA_KERNEL(early_leave__pairs, TestParams, 128) {
  FOVEA_SHARED(float, line, 128);
  unsigned t = threadIdx.x;
  if (t >= static_cast<unsigned>(p.count)) return;
  line[t] = p.x[t];
  __syncwarp(3u << (t % 32 & ~1u));
  float other = line[t ^ 1];
  __syncthreads();
  line[t] = other;
  __syncthreads();
  p.y[t] = line[t];
}

// Counts in shared memory and in global memory, and the last block to finish adds up.
// 1: an ordinary read beside atomic updates.
FOVEA_KERNEL(count__atomic, TestParams, 256) {
  FOVEA_SHARED(int, bins, 4);
  FOVEA_SHARED(int, last, 1);
  auto *totals = reinterpret_cast<int *>(p.y);
  unsigned t = threadIdx.x;
  if (t < 4) bins[t] = 0;
  __syncthreads();
  int bin = static_cast<int>(p.x[blockIdx.x * blockDim.x + t]) & 3;
  atomicAdd(&bins[bin], 1);
  if (p.fault != 1) __syncthreads();
  if (t < 4) atomicAdd(&totals[t], bins[t]);
  __threadfence();
  __syncthreads();
  if (t == 0) last[0] = atomicAdd(&totals[4], 1) == static_cast<int>(gridDim.x) - 1;
  __syncthreads();
  if (last[0] && t == 0) totals[5] = totals[0] + totals[1] + totals[2] + totals[3];
}

// Values of warp functions, each lane's in y[16 * lane ..].
FOVEA_KERNEL(lanes__all, TestParams, 32) {
  int lane = static_cast<int>(threadIdx.x);
  float *y = p.y + lane * 16;
  float v = static_cast<float>(lane);
  y[0] = __shfl_sync(0xffffffffu, v, lane * 7);
  y[1] = __shfl_xor_sync(0xffffffffu, v, 5);
  y[2] = __shfl_up_sync(0xffffffffu, v, 3u);
  y[3] = __shfl_down_sync(0xffffffffu, v, 3u);
  y[4] = __shfl_sync(0xffffffffu, v, 3, 8);
  y[5] = __shfl_up_sync(0xffffffffu, v, 3u, 8);
  y[6] = __shfl_down_sync(0xffffffffu, v, 3u, 8);
  y[7] = static_cast<float>(__popc(__ballot_sync(0xffffffffu, lane % 3 == 0)));
  y[8] = static_cast<float>(__any_sync(0xffffffffu, lane == 9));
  y[9] = static_cast<float>(__all_sync(0xffffffffu, lane != 9));
  y[10] = static_cast<float>(__shfl_xor_sync(0xffffffffu, (long long)lane << 33, 1) >> 33);
  y[11] = __shfl_xor_sync(0xffffffffu, v, 12, 8);
  y[12] = y[13] = y[14] = y[15] = 0;
}
