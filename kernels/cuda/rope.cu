// Turns pairs of a head's elements by pos * scale / theta^(2i/Dh). Blocks along x are rows, along y groups of heads. A block
// first computes the row's sines into shared memory, once for all its heads. Angles are double and cut to one turn before
// they become binary32: at position 4096 a binary32 angle is already off by 1e-4. y may be x: a thread writes only what it alone
// reads. Traffic: 8 bytes an element.

#include "cuda/block.cuh"
#include "cuda/rope.h"

FOVEA_KERNEL(rope__row, RopeParams, 256) {
  FOVEA_SHARED(float2, table, ROPE_PAIRS);  // cosine, sine
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row >= live_rows(p.rows)) return;
  double pos = p.pos[row];
  for (int i = static_cast<int>(threadIdx.x); i < p.pairs; i += static_cast<int>(blockDim.x)) {
    double half_turns = pos * p.turns[i];
    float sine, cosine;
    sincospif(static_cast<float>(half_turns - 2 * rint(half_turns / 2)), &sine, &cosine);
    table[i] = make_float2(cosine, sine);
  }
  __syncthreads();
  unsigned pairs = static_cast<unsigned>(p.pairs);
  unsigned count = static_cast<unsigned>(p.heads) * pairs;
  const float *x = p.x + int64_t{row} * count * 2;
  float *y = p.y + int64_t{row} * count * 2;
  unsigned step = gridDim.y * blockDim.x;
  for (unsigned k = blockIdx.y * blockDim.x + threadIdx.x; k < count; k += step) {
    unsigned head = k / pairs;
    unsigned i = k - head * pairs;
    unsigned first = p.neighbours ? 2 * k : head * pairs + k;
    unsigned second = p.neighbours ? first + 1 : first + pairs;
    float a = x[first], b = x[second];
    float2 t = table[i];
    y[first] = a * t.x - b * t.y;
    y[second] = b * t.x + a * t.y;
  }
}
