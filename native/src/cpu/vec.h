// A vector of binary32 numbers, as wide as the tier has, and what loops over tiles of them need.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define UNROLL _Pragma("GCC unroll 16")

namespace fovea {
namespace {

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

// The same sum of sixteen vectors, `apart` numbers from one to the next, lane by lane: vector i counts as lane i.
[[maybe_unused]] inline __m512 tree16(const float *parts, int64_t apart) {
  __m512 q[4];
  UNROLL for (int i = 0; i < 4; i++) {
    __m512 e[4];
    UNROLL for (int k = 0; k < 4; k++) e[k] = _mm512_load_ps(parts + (4 * i + k) * apart);
    q[i] = _mm512_add_ps(_mm512_add_ps(e[0], e[2]), _mm512_add_ps(e[1], e[3]));
  }
  return _mm512_add_ps(_mm512_add_ps(q[0], q[2]), _mm512_add_ps(q[1], q[3]));
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

#if defined(__AVX512F__)
struct Vec {
  static constexpr int LANES = 16;
  __m512 v;
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec all(float f) { return {_mm512_set1_ps(f)}; }
  static Vec load(const float *p) { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float *p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static Vec half(const uint16_t *p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))};
  }
  static Vec half(const uint16_t *p, int n) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p))};
  }
  static Vec bfloat(const uint16_t *p) { return widen(_mm256_loadu_si256((const __m256i *)p)); }
  static Vec bfloat(const uint16_t *p, int n) {
    return widen(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Vec widen(__m256i h) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
  }
  void store(float *p) const { _mm512_storeu_ps(p, v); }
  void fma(Vec a, Vec b) { v = _mm512_fmadd_ps(a.v, b.v, v); }
  void raise(Vec a) { v = _mm512_max_ps(a.v, v); }  // to a where that is more
  float sum() const { return sum16(v); }
};
#elif defined(__AVX2__)
struct Vec {
  static constexpr int LANES = 8;
  __m256 v;
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec all(float f) { return {_mm256_set1_ps(f)}; }
  static Vec load(const float *p) { return {_mm256_loadu_ps(p)}; }
  static Vec half(const uint16_t *p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p))};
  }
  static Vec bfloat(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
  }
  static Vec load(const float *p, int n) {
    float whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return load(whole);
  }
  static Vec half(const uint16_t *p, int n) {
    uint16_t whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return half(whole);
  }
  static Vec bfloat(const uint16_t *p, int n) {
    uint16_t whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return bfloat(whole);
  }
  void store(float *p) const { _mm256_storeu_ps(p, v); }
  void fma(Vec a, Vec b) { v = _mm256_fmadd_ps(a.v, b.v, v); }
  void raise(Vec a) { v = _mm256_max_ps(a.v, v); }  // to a where that is more
  float sum() const { return sum8(v); }
};
#elif defined(__ARM_NEON)
struct Vec {
  static constexpr int LANES = 4;
  float32x4_t v;
  static Vec zero() { return {vdupq_n_f32(0)}; }
  static Vec all(float f) { return {vdupq_n_f32(f)}; }
  static Vec load(const float *p) { return {vld1q_f32(p)}; }
  static Vec half(const uint16_t *p) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))}; }
  static Vec bfloat(const uint16_t *p) {
    return {vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16))};
  }
  static Vec load(const float *p, int n) {
    float whole[LANES] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return load(whole);
  }
  static Vec half(const uint16_t *p, int n) {
    uint16_t whole[LANES] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return half(whole);
  }
  static Vec bfloat(const uint16_t *p, int n) {
    uint16_t whole[LANES] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return bfloat(whole);
  }
  void store(float *p) const { vst1q_f32(p, v); }
  void fma(Vec a, Vec b) { v = vfmaq_f32(v, a.v, b.v); }
  void raise(Vec a) { v = vmaxq_f32(v, a.v); }  // to a where that is more
  float sum() const { return sum4(v); }
};
#else
struct Vec {
  static constexpr int LANES = 1;
  float v;
  static Vec zero() { return {0.f}; }
  static Vec all(float f) { return {f}; }
  static Vec load(const float *p, int = 1) { return {*p}; }
  static Vec half(const uint16_t *p, int = 1) { return {from_half(*p)}; }
  static Vec bfloat(const uint16_t *p, int = 1) { return {from_bfloat(*p)}; }
  void store(float *p) const { *p = v; }
  void fma(Vec a, Vec b) { v += a.v * b.v; }
  void raise(Vec a) { v = a.v > v ? a.v : v; }  // to a where that is more
  float sum() const { return v; }
};
#endif

}  // namespace
}  // namespace fovea
