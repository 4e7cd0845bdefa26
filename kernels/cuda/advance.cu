// pos[t] += 1, a thread a row. One that cannot be counted on is reported and stays.

#include "cuda/advance.h"
#include "cuda/block.cuh"

FOVEA_KERNEL(advance__row, AdvanceParams, 128) {
  take_turn();
  int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= live_rows(p.rows)) return;
  if (p.pos[t] == INT32_MAX) {
    report(p.rows.error);
    return;
  }
  p.pos[t]++;
}
