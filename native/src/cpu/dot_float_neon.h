// Advanced SIMD's part of dot_float.h: bfloat16 dot products where there are instructions for them.
#pragma once

#include "dot.h"
#include "vec.h"

namespace fovea {
namespace {

#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
// bfloat16 weights with bfloat16 dot products: x is rounded once. The instruction adds two products to a sum with two roundings to odd,
// each off by less than twice what rounding to nearest is; a lane takes every fourth pair, so the sum stays within the terms' bound.
struct DotBF16 {
  static constexpr int R = 4, N = 4, R_ALONE = 2;
  static constexpr bool PANELS = false;
  static constexpr int64_t AT_ONCE = N;
  static void multiply(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    tiles<DotBF16>(w, rows, x, x_row, width, n, out);
  }
  static int64_t row_bytes(int64_t width) { return width * 2; }
  static int64_t x_bytes(int64_t width) { return align64(width * 2); }
  static void prepare(const float *x, int64_t width, uint8_t *out) {
    auto *to = reinterpret_cast<uint16_t *>(out);
    for (int64_t i = 0; i < x_bytes(width) / 2; i += Vec::LANES) {
      int64_t n = width - i < Vec::LANES ? width - i : Vec::LANES;
      Vec v = n == Vec::LANES ? Vec::load(x + i)
              : n > 0         ? Vec::load(x + i, static_cast<int>(n))
                              : Vec::zero();
      vst1_u16(to + i, vreinterpret_u16_bf16(vcvt_bf16_f32(v.v)));
    }
  }
  static bfloat16x8_t load(const uint16_t *p) { return vreinterpretq_bf16_u16(vld1q_u16(p)); }
  static bfloat16x8_t load(const uint16_t *p, int64_t n) {
    uint16_t whole[8] = {};
    for (int64_t i = 0; i < n; i++) whole[i] = p[i];
    return load(whole);
  }
  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t out_apart = 1, int64_t apart = 0) {
    if (!apart) apart = row_bytes(width);
    auto *weights = reinterpret_cast<const uint16_t *>(w);
    float32x4_t acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] =
        vdupq_n_f32(0);
    for (int64_t k = 0; k < width; k += 8) {
      bfloat16x8_t a[RR];
      if (k + 8 <= width) {
        UNROLL for (int r = 0; r < RR; r++) a[r] = load(weights + r * apart / 2 + k);
      } else {
        UNROLL for (int r = 0; r < RR; r++) a[r] = load(weights + r * apart / 2 + k, width - k);
      }
      UNROLL for (int n = 0; n < NN; n++) {
        bfloat16x8_t b = load(reinterpret_cast<const uint16_t *>(x + n * x_row) + k);
        UNROLL for (int r = 0; r < RR; r++) acc[r][n] = vbfdotq_f32(acc[r][n], a[r], b);
      }
    }
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++)
        out[n * TILE + r * out_apart] = sum4(acc[r][n]);
  }
};
#endif

}  // namespace
}  // namespace fovea
