// Kernels that are right, and wrong in one way each: blocks that wait for each other.

#include "cuda/kernel.cuh"
#include "test/kernels.h"

// y: two lines of as many numbers as the grid has threads, and a counter. In `count` steps each number becomes its right
// neighbour's of the step before, and x is added.
// 1: no barrier after the second step; 2: reads before it waits; 3: a block leaves out the last barrier; 4: waits twice;
// 5: reads x, which it wrote, as if nobody did.
FOVEA_KERNEL(shift__grid, TestParams, 64) {
  FOVEA_SHARED(float, kept, 64);
  unsigned n = gridDim.x * 64, i = blockIdx.x * 64 + threadIdx.x;
  auto *counter = reinterpret_cast<uint32_t *>(p.y + 2 * n);
  p.y[i] = p.x[i];
  uint32_t before = 0;
  for (int step = 0; step < p.count; step++) {
    const float *from = p.y + step % 2 * n;
    float *to = p.y + (step + 1) % 2 * n;
    if (!(p.fault == 1 && step == 2)) before = grid_arrive(counter);
    float x = p.x[i];  // does not wait for anybody
    float early = p.fault == 2 && step == 1 ? from[(i + 1) % n] : 0;
    if (!(p.fault == 1 && step == 2)) grid_wait(counter, before);
    if (p.fault == 4) grid_wait(counter, before);
    kept[threadIdx.x] = early != 0 ? early : from[(i + 1) % n];
    to[i] = kept[threadIdx.x] + x;
    if (p.fault == 3 && blockIdx.x == 1 && step == p.count - 2) return;
    if (p.fault == 5 && i < 4) p.y[i] = static_cast<float>(load_stream16(p.y).x);
  }
}

// y[0] = the sum of x, added up by the block that comes last; then sums of the blocks, and a counter.
// 1: no fence before it counts; 2: none after.
FOVEA_KERNEL(last_sums__grid, TestParams, 64) {
  FOVEA_SHARED(int, last, 1);
  float *sums = p.y + 1;
  auto *counter = reinterpret_cast<int *>(p.y + 1 + gridDim.x);
  if (threadIdx.x == 0) {
    float sum = 0;
    for (unsigned i = 0; i < 64; i++) sum += p.x[blockIdx.x * 64 + i];
    sums[blockIdx.x] = sum;
    if (p.fault != 1) __threadfence();
    last[0] = atomicAdd(counter, 1) == static_cast<int>(gridDim.x) - 1;
    if (p.fault != 2) __threadfence();
  }
  __syncthreads();
  if (!last[0] || threadIdx.x != 0) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; i++) sum += sums[i];
  p.y[0] = sum;
  *counter = 0;
}
