// y = x / sqrt(mean(x^2) + eps) * g. A block takes a row, a thread pieces of four neighbours; the second look at the row comes
// from the first-level cache. y may be x: a thread writes only what it alone reads. Both kernels add in the same order.
// Traffic: 8 bytes an element.

#include "cuda/block.cuh"
#include "cuda/rms_norm.h"

namespace {

template <bool FOUR>
FOVEA_DEVICE void rms_norm(const RmsNormParams &p, float *partial) {
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
    sum = fmaf(v.x, v.x, sum);
    sum = fmaf(v.y, v.y, sum);
    sum = fmaf(v.z, v.z, sum);
    sum = fmaf(v.w, v.w, sum);
  }
  float scale = 1.f / sqrtf(block_sum(sum, partial) / static_cast<float>(p.width) + p.eps);
  for (unsigned i = from; i < p.width; i += step) {
    float4 v = load_four<FOUR>(x, i, p.width);
    float4 g = load_four<FOUR>(p.g, i, p.width);
    store_four<FOUR>(
        y, i, p.width,
        make_float4(v.x * scale * g.x, v.y * scale * g.y, v.z * scale * g.z, v.w * scale * g.w));
  }
}

}  // namespace

FOVEA_KERNEL(rms_norm__one, RmsNormParams, 1024) {
  FOVEA_SHARED(float, partial, 32);
  rms_norm<false>(p, partial);
}

FOVEA_KERNEL(rms_norm__four, RmsNormParams, 1024) {
  FOVEA_SHARED(float, partial, 32);
  rms_norm<true>(p, partial);
}
