// y = f(x w^T + b), any weights, any sizes, any addresses.
//
// Idea: a warp an element of y, lanes side by side along the row; float arithmetic throughout. What all other kernels of
// linear maps are compared with.
// Grid: x outs/8, y rows of x, stepping. Block: 8 warps.
// Traffic: w once for every row of x, mostly from the second-level cache. Never the fastest where another takes the sizes;
// the only one for f32 weights.

#include "cuda/linear.cuh"

namespace {

template <LinearWeights W>
FOVEA_DEVICE float weight(const void *w, const void *scales, int64_t row, int width, int i) {
  if constexpr (W == LinearWeights::F32) {
    return static_cast<const float *>(w)[row * width + i];
  } else if constexpr (W == LinearWeights::F16) {
    return f16_to_f32(static_cast<const uint16_t *>(w)[row * width + i]);
  } else if constexpr (W == LinearWeights::BF16) {
    return bf16_to_f32(static_cast<const uint16_t *>(w)[row * width + i]);
  } else {
    using Blocks = LinearBlocks<W>;
    int64_t block = row * (width / 32) + i / 32;
    auto scale = Blocks::row(scales, row, width)[i / (32 * Blocks::SPAN)];
    int q;
    if constexpr (Blocks::FOUR) {
      int both = static_cast<const uint8_t *>(w)[block * 16 + i % 16];
      q = i % 32 < 16 ? both & 15 : both >> 4;
    } else {
      q = static_cast<const int8_t *>(w)[block * 32 + i % 32];
    }
    return Blocks::scale(scale) * static_cast<float>(q - Blocks::zero(scale));
  }
}

template <LinearWeights W>
FOVEA_DEVICE void plain(const LinearParams &p) {
  int lane = static_cast<int>(threadIdx.x % 32);
  int64_t unit = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  bool qkv = p.then == LINEAR_QKV;
  int64_t heads = qkv ? p.qkv.heads + 2 * p.qkv.key_heads : 1;
  if (unit >= heads * p.outs) return;
  int head = static_cast<int>(unit / p.outs), o = static_cast<int>(unit % p.outs);
  LinearRow first = linear_row_of(p, head, o, false), second = linear_row_of(p, head, o, true);
  int rows = live_rows(p.rows);
  for (int64_t t = blockIdx.y; t < rows; t += gridDim.y) {
    const float *x = p.x + t * p.width;
    float v = 0, u = 0, squares = 0;
    for (int i = lane; i < p.width; i += 32) {
      float e = x[i];
      if (p.g) {
        squares = fmaf(e, e, squares);
        e *= p.g[i];
      }
      v = fmaf(e, weight<W>(first.w, first.scales, first.row, p.width, i), v);
      if (linear_gated(p))
        u = fmaf(e, weight<W>(second.w, second.scales, second.row, p.width, i), u);
    }
    v = warp_sum(v);
    u = warp_sum(u);
    if (p.g) {
      float factor = 1.f / sqrtf(warp_sum(squares) / static_cast<float>(p.width) + p.eps);
      v *= factor;
      u *= factor;
    }
    if (lane == 0) linear_finish(p, t, o, v, u, head);
  }
}

}  // namespace

FOVEA_KERNEL(linear_f32__plain, LinearParams, 256) { plain<LinearWeights::F32>(p); }
FOVEA_KERNEL(linear_f16__plain, LinearParams, 256) { plain<LinearWeights::F16>(p); }
FOVEA_KERNEL(linear_bf16__plain, LinearParams, 256) { plain<LinearWeights::BF16>(p); }
FOVEA_KERNEL(linear_q8_0__plain, LinearParams, 256) { plain<LinearWeights::Q8_0>(p); }
FOVEA_KERNEL(linear_q4_0__plain, LinearParams, 256) { plain<LinearWeights::Q4_0>(p); }
FOVEA_KERNEL(linear_q4_g128__plain, LinearParams, 256) { plain<LinearWeights::Q4_G128>(p); }
