// Advanced SIMD's part of dot_quantized.h.
//
// An element of y is the sum over blocks of the exact whole-number dot product, made a float, times the product of both scales. Block b
// adds to partial sum b mod 4; the four are then added as (0 + 2) + (1 + 3). How the whole numbers come about differs and does not
// matter, being exact: widening multiplications, dot products of four, or, for two rows of w and two of x at a time, products of
// matrices.
#pragma once

#include "dot.h"

namespace fovea {
namespace {

template <class B>
struct Quantized : Stored<B> {
  using Stored<B>::FOUR, Stored<B>::GROUPED, Stored<B>::SPAN, Stored<B>::row_bytes;
#if defined(__ARM_FEATURE_MATMUL_INT8)
  static constexpr int R = 2;
#else
  static constexpr int R = 1;
#endif
  static constexpr int N = 4, R_ALONE = 1;
  static constexpr bool PANELS = false;
  static constexpr int64_t AT_ONCE = N;
  static constexpr int BLOCKS = 4;  // of a group, as many as lanes

  static void multiply(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    tiles<Quantized>(w, rows, x, x_row, width, n, out);
  }

  // A row of x: all whole numbers, then the scales of whole groups, 0 past the end.
  static int64_t x_bytes(int64_t width) {
    int64_t groups = (width / FOVEA_BLOCK + BLOCKS - 1) / BLOCKS;
    return align64(width + groups * BLOCKS * 4);
  }

  static void prepare(const float *x, int64_t width, uint8_t *out) {
    auto *q = reinterpret_cast<int8_t *>(out);
    auto *scales = reinterpret_cast<float *>(out + width);
    int64_t count = width / FOVEA_BLOCK;
    for (int64_t b = 0; b < count; b++, x += FOVEA_BLOCK, q += FOVEA_BLOCK) {
      float32x4_t v[8], most4 = vdupq_n_f32(0);
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        most4 = vmaxnmq_f32(most4, vabsq_f32(v[i]));
      }
      float most = vmaxnmvq_f32(most4), inverse = most > 0 ? 127.f / most : 0.f;
      if (most > 0 && most < 1e-30f) {  // 127 / most may be infinite
        UNROLL for (int i = 0; i < 8; i++) v[i] = vmulq_n_f32(v[i], 0x1p64f);
        inverse = 127.f / (most * 0x1p64f);
      }
      // To nearest; what is not a number becomes 0.
      UNROLL for (int i = 0; i < 8; i += 2) {
        int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(v[i], inverse)),
                  high = vcvtnq_s32_f32(vmulq_n_f32(v[i + 1], inverse));
        vst1_s8(q + 4 * i, vqmovn_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high))));
      }
      scales[b] = most / 127.f;
    }
    for (int64_t b = count; b % BLOCKS != 0; b++) scales[b] = 0;
  }

  static const int8_t *numbers(const uint8_t *x, int64_t group) {
    return reinterpret_cast<const int8_t *>(x) + group * BLOCKS * FOVEA_BLOCK;
  }
  static float32x4_t scales(const uint8_t *x, int64_t width, int64_t group) {
    return vld1q_f32(reinterpret_cast<const float *>(x + width) + group * BLOCKS);
  }

  // Up to four blocks of a row of w: their halves, signed, and their scales by lane, 0 where there is no block.
  struct Group {
    int8x16_t first[BLOCKS], second[BLOCKS];
    float32x4_t d;
  };

  template <int COUNT>
  static Group group(const uint8_t *w, int64_t index) {
    auto *stored = reinterpret_cast<const B *>(w);
    Group g;
    uint16_t d[BLOCKS] = {};
    UNROLL for (int j = 0; j < COUNT; j++) {
      int64_t b = index * BLOCKS + j;
      const B &block = stored[b / SPAN];
      d[j] = block.d;
      if constexpr (FOUR) {
        uint8x16_t both = vld1q_u8(block.q + b % SPAN * 16);
        int8_t zero = 8;
        if constexpr (GROUPED) zero = static_cast<int8_t>(block.z);
        g.first[j] =
            vsubq_s8(vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), vdupq_n_s8(zero));
        g.second[j] = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), vdupq_n_s8(zero));
      } else {
        g.first[j] = vld1q_s8(block.q);
        g.second[j] = vld1q_s8(block.q + 16);
      }
    }
    g.d = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(d)));
    return g;
  }

  // Four sums that make up the dot product of a block.
  static int32x4_t products(int8x16_t first, int8x16_t second, const int8_t *x) {
    int8x16_t a = vld1q_s8(x), b = vld1q_s8(x + 16);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(vdotq_s32(vdupq_n_s32(0), first, a), second, b);
#else
    // A lane of 16 bits: at most 2 * 128 * 127, since x has no -128.
    int16x8_t low = vmlal_high_s8(vmull_s8(vget_low_s8(first), vget_low_s8(a)), first, a);
    int16x8_t high = vmlal_high_s8(vmull_s8(vget_low_s8(second), vget_low_s8(b)), second, b);
    return vpadalq_s16(vpaddlq_s16(low), high);
#endif
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out) {
    int64_t count = width / FOVEA_BLOCK, whole = count / BLOCKS;
#if defined(__ARM_FEATURE_MATMUL_INT8)
    if constexpr (RR == 2 && NN > 1) {
      pairs<NN / 2>(w, x, x_row, width, out);
      if constexpr (NN % 2 != 0) {
        UNROLL for (int r = 0; r < RR; r++)
            tile<1, 1>(w + r * row_bytes(width), x + (NN - 1) * x_row, x_row, width,
                       out + (NN - 1) * TILE + r);
      }
      return;
    }
#endif
    float32x4_t acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] =
        vdupq_n_f32(0);
    auto step = [&](auto blocks, int64_t index) {
      constexpr int COUNT = decltype(blocks)::value;
      UNROLL for (int r = 0; r < RR; r++) {
        Group g = group<COUNT>(w + r * row_bytes(width), index);
        UNROLL for (int n = 0; n < NN; n++) {
          const uint8_t *row = x + n * x_row;
          int32x4_t s[BLOCKS];
          UNROLL for (int j = 0; j < BLOCKS; j++) s[j] = vdupq_n_s32(0);
          UNROLL for (int j = 0; j < COUNT; j++) s[j] =
              products(g.first[j], g.second[j], numbers(row, index) + j * FOVEA_BLOCK);
          int32x4_t sums = vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
          acc[r][n] =
              vfmaq_f32(acc[r][n], vcvtq_f32_s32(sums), vmulq_f32(g.d, scales(row, width, index)));
        }
      }
    };
    for (int64_t i = 0; i < whole; i++) step(std::integral_constant<int, BLOCKS>(), i);
    with_count<BLOCKS - 1>(count % BLOCKS, [&](auto blocks) { step(blocks, whole); });
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) out[n * TILE + r] =
        sum4(acc[r][n]);
  }

#if defined(__ARM_FEATURE_MATMUL_INT8)
  // Eight columns of two rows, the first's in the low half, from sixteen columns of each.
  static int8x16_t low_halves(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vtrn1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
  }
  static int8x16_t high_halves(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vtrn2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
  }

  // Two rows of w by PAIRS times two rows of x. Lanes are w0 x0, w0 x1, w1 x0, w1 x1; each of the four partial sums of an element is
  // in a vector of its own.
  template <int PAIRS>
  static void pairs(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out) {
    int64_t count = width / FOVEA_BLOCK, whole = count / BLOCKS;
    float32x4_t acc[PAIRS][BLOCKS];
    UNROLL for (int p = 0; p < PAIRS; p++) UNROLL for (int j = 0; j < BLOCKS; j++) acc[p][j] =
        vdupq_n_f32(0);
    auto step = [&](auto blocks, int64_t index) {
      constexpr int COUNT = decltype(blocks)::value;
      Group w0 = group<COUNT>(w, index), w1 = group<COUNT>(w + row_bytes(width), index);
      float d0[BLOCKS], d1[BLOCKS];
      vst1q_f32(d0, w0.d);
      vst1q_f32(d1, w1.d);
      UNROLL for (int p = 0; p < PAIRS; p++) {
        const uint8_t *row0 = x + 2 * p * x_row, *row1 = row0 + x_row;
        float32x4_t e0 = scales(row0, width, index), e1 = scales(row1, width, index);
        // x0 and x1 of blocks 0, 1 and of blocks 2, 3.
        float32x4_t e[2] = {vzip1q_f32(e0, e1), vzip2q_f32(e0, e1)};
        UNROLL for (int j = 0; j < COUNT; j++) {
          const int8_t *q0 = numbers(row0, index) + j * FOVEA_BLOCK,
                       *q1 = numbers(row1, index) + j * FOVEA_BLOCK;
          int8x16_t a0 = vld1q_s8(q0), a1 = vld1q_s8(q1), b0 = vld1q_s8(q0 + 16),
                    b1 = vld1q_s8(q1 + 16);
          int32x4_t s = vdupq_n_s32(0);
          s = vmmlaq_s32(s, low_halves(w0.first[j], w1.first[j]), low_halves(a0, a1));
          s = vmmlaq_s32(s, high_halves(w0.first[j], w1.first[j]), high_halves(a0, a1));
          s = vmmlaq_s32(s, low_halves(w0.second[j], w1.second[j]), low_halves(b0, b1));
          s = vmmlaq_s32(s, high_halves(w0.second[j], w1.second[j]), high_halves(b0, b1));
          float32x2_t pair = j % 2 == 0 ? vget_low_f32(e[j / 2]) : vget_high_f32(e[j / 2]);
          float32x4_t d = vmulq_f32(vcombine_f32(vdup_n_f32(d0[j]), vdup_n_f32(d1[j])),
                                    vcombine_f32(pair, pair));
          acc[p][j] = vfmaq_f32(acc[p][j], vcvtq_f32_s32(s), d);
        }
      }
    };
    for (int64_t i = 0; i < whole; i++) step(std::integral_constant<int, BLOCKS>(), i);
    with_count<BLOCKS - 1>(count % BLOCKS, [&](auto blocks) { step(blocks, whole); });
    UNROLL for (int p = 0; p < PAIRS; p++) {
      float32x4_t sum = vaddq_f32(vaddq_f32(acc[p][0], acc[p][2]), vaddq_f32(acc[p][1], acc[p][3]));
      vst1_f32(out + 2 * p * TILE, vget_low_f32(vuzp1q_f32(sum, sum)));
      vst1_f32(out + (2 * p + 1) * TILE, vget_low_f32(vuzp2q_f32(sum, sum)));
    }
  }
#endif
};

}  // namespace
}  // namespace fovea
