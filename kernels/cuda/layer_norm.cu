// y = (x - mean) / sqrt(var + eps) * g + b. A block takes a row, a thread pieces of four neighbours. The mean comes first, then
// the squares of the differences, so that a large mean costs no digits; the second and third look at the row come from the
// first-level cache. y may be x: a thread writes only what it alone reads. Both kernels add in the same order.
// Traffic: 8 bytes an element.

#include "cuda/block.cuh"
#include "cuda/layer_norm.h"

namespace {

template <bool FOUR>
FOVEA_DEVICE void layer_norm(const LayerNormParams &p, float *partial) {
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row >= live_rows(p.rows)) return;
  const float *x = p.x + int64_t{row} * p.width;
  float *y = p.y + int64_t{row} * p.width;
  unsigned step = blockDim.x * 4;
  unsigned from = threadIdx.x * 4;
  float sum = 0;
  for (unsigned i = from; i < p.width; i += step) {
    float4 v = load_four<FOUR>(x, i, p.width);
    sum += (v.x + v.y) + (v.z + v.w);
  }
  float mean = block_sum(sum, partial) / static_cast<float>(p.width);
  float squares = 0;
  for (unsigned i = from; i < p.width; i += step) {
    float4 v = load_four<FOUR>(x, i, p.width);
    // What lies behind the row is not part of it.
    squares = fmaf(v.x - mean, v.x - mean, squares);
    if (FOUR || i + 1 < p.width) squares = fmaf(v.y - mean, v.y - mean, squares);
    if (FOUR || i + 2 < p.width) squares = fmaf(v.z - mean, v.z - mean, squares);
    if (FOUR || i + 3 < p.width) squares = fmaf(v.w - mean, v.w - mean, squares);
  }
  squares = block_sum(squares, partial + 32);
  float scale = 1.f / sqrtf(squares / static_cast<float>(p.width) + p.eps);
  for (unsigned i = from; i < p.width; i += step) {
    float4 v = load_four<FOUR>(x, i, p.width);
    float4 g = load_four<FOUR>(p.g, i, p.width);
    float4 b = load_four<FOUR>(p.b, i, p.width);
    store_four<FOUR>(
        y, i, p.width,
        make_float4(fmaf((v.x - mean) * scale, g.x, b.x), fmaf((v.y - mean) * scale, g.y, b.y),
                    fmaf((v.z - mean) * scale, g.z, b.z), fmaf((v.w - mean) * scale, g.w, b.w)));
  }
}

}  // namespace

FOVEA_KERNEL(layer_norm__one, LayerNormParams, 1024) {
  FOVEA_SHARED(float, partial, 64);
  layer_norm<false>(p, partial);
}

FOVEA_KERNEL(layer_norm__four, LayerNormParams, 1024) {
  FOVEA_SHARED(float, partial, 64);
  layer_norm<true>(p, partial);
}
