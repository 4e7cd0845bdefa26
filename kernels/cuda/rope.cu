// Turns pairs of a head's elements by pos * scale / theta^(2i/Dh). Blocks along x are rows, along y groups of heads. A block
// first computes the row's sines into shared memory, once for all its heads. Angles are double and cut to one turn before
// they become binary32: at position 4096 a binary32 angle is already off by 1e-4. y may be x: a thread writes only what it alone
// reads. Traffic: 8 bytes an element.

#include "cuda/block.cuh"
#include "cuda/rope.h"

FOVEA_KERNEL(rope__row, RopeParams, 256) {
  FOVEA_SHARED(float2, table, ROPE_PAIRS);  // cosine, sine
  int row = static_cast<int>(blockIdx.x);
  if (row >= live_rows(p.rows)) return;
  double pos = p.pos[row];
  for (int i = static_cast<int>(threadIdx.x); i < p.pairs; i += static_cast<int>(blockDim.x)) {
    double half_turns = pos * p.turns[i];
    float2 sine_cosine = sincos_pi(static_cast<float>(half_turns - 2 * rint(half_turns / 2)));
    table[i] = make_float2(sine_cosine.y, sine_cosine.x);
  }
  __syncthreads();
  int64_t at = int64_t{row} * p.heads * p.pairs * 2;
  int64_t count = int64_t{p.heads} * p.pairs;
  int64_t step = int64_t{gridDim.y} * blockDim.x;
  for (int64_t k = int64_t{blockIdx.y} * blockDim.x + threadIdx.x; k < count; k += step) {
    int64_t head = k / p.pairs;
    int i = static_cast<int>(k % p.pairs);
    int64_t first = at + head * p.pairs * 2 + (p.neighbours ? 2 * i : i);
    int64_t second = p.neighbours ? first + 1 : first + p.pairs;
    float a = p.x[first], b = p.x[second];
    float2 t = table[i];
    p.y[first] = a * t.x - b * t.y;
    p.y[second] = b * t.x + a * t.y;
  }
}
