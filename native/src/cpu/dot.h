// What dot products of all weight types share. A weight type W is a struct of static functions:
//
//   row_bytes(width)               bytes of a row of w as stored
//   x_bytes(width), prepare        a row of x in the form that the products read; 0: as it is
//   AT_ONCE                        rows of x in one call of the products, at most
//   multiply(w, rows, x, ...)      products of up to TILE rows of w, as stored, with up to AT_ONCE rows of x
//   PANELS                         whether many rows of x are multiplied with weights unpacked once for all of them:
//     STREAM                         up to so many rows of x, multiply is the faster way
//     panel_bytes, unpack            TILE rows of w to cache-sized scratch
//     multiply_panel                 as multiply, with weights from there
//
// The bits of an element of y depend on nothing but its row of w and its row of x: each W has one order of operations and
// keeps to it in all its loops.
#pragma once

#include <math.h>

#include <type_traits>

#include "math.h"
#include "run.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define UNROLL _Pragma("GCC unroll 16")

namespace fovea {
namespace {

constexpr int64_t TILE = 32;  // weight rows handed out at a time

#if defined(__AVX512F__)
// Sums of the lanes of a, b, c, d, each as the tree (e0 + e2) + (e1 + e3) within quarters and (q0 + q2) + (q1 + q3) over them.
[[maybe_unused]] inline __m128 sums16(__m512 a, __m512 b, __m512 c, __m512 d) {
  __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  __m512d p = _mm512_castps_pd(ab), q = _mm512_castps_pd(cd);
  __m512 s = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(p, q)),
                           _mm512_castpd_ps(_mm512_unpackhi_pd(p, q)));
  __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
  return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

[[maybe_unused]] inline float sum16(__m512 a) { return _mm_cvtss_f32(sums16(a, a, a, a)); }
#endif

#if defined(__AVX2__)
[[maybe_unused]] inline float sum8(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#endif

#if defined(__ARM_NEON)
[[maybe_unused]] inline float sum4(float32x4_t v) {
  float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}
#endif

// Calls f(integral constant n).
template <int MOST, class F>
inline void with_count(int64_t n, F &&f) {
  if constexpr (MOST >= 1) {
    if (n == MOST) return f(std::integral_constant<int, MOST>());
    with_count<MOST - 1>(n, f);
  }
}

// out[n][o] = dot(x row n, w row o) for all rows of w and up to W::N rows of x, in tiles of W::R by n.
template <class W>
inline void tiles(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row, int64_t width,
                  int64_t n, float *out) {
  int64_t stride = W::row_bytes(width);
  with_count<W::N>(n, [&](auto columns) {
    // One row of x is a matter of reading w: few streams are read faster than many.
    constexpr int R = columns == 1 ? W::R_ALONE : W::R;
    int64_t o = 0;
    for (; o + R <= rows; o += R)
      W::template tile<R, columns>(w + o * stride, x, x_row, width, out + o, TILE);
    if constexpr (R > 1) {
      for (; o < rows; o++)
        W::template tile<1, columns>(w + o * stride, x, x_row, width, out + o, TILE);
    }
  });
}

}  // namespace
}  // namespace fovea
