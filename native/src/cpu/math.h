// Elementary functions that the compiler can vectorize: no branches, no calls. Internal linkage: see run.h.
#pragma once

#include "half.h"

namespace fovea {
namespace {

// e^x to about 2 units in the last place for |x| <= 87; 0 below -87.7, where 2^n is below the least normal number and its bits
// come out as 0; a huge finite number above 88.3. No condition comes twice: compilers make a branch of that, and no vectors. The argument is
// split into n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts), e^r = 1 + r + r^2 p(r) with Cephes' polynomial p
// (Moshier 1989). Must not be compiled with reassociation, which would merge the two parts.
[[maybe_unused]] inline __attribute__((always_inline)) float exp_(float x) {
  float c = x < -88.f ? -88.f : x;
  c = c > 88.3f ? 88.3f : c;
  float scaled = c * 1.44269504f;
  int32_t whole = static_cast<int32_t>(scaled + (scaled < 0 ? -0.5f : 0.5f));
  float n = static_cast<float>(whole);
  float r = c - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.f;
  float scale = from_bits((static_cast<uint32_t>(whole) + 127u) << 23);
  return p * scale;
}

[[maybe_unused]] inline __attribute__((always_inline)) float sigmoid(float x) {
  return 1.f / (1.f + exp_(-x));
}

// x * sigmoid(1.702 x)
[[maybe_unused]] inline __attribute__((always_inline)) float quick_gelu(float x) {
  return x * sigmoid(1.702f * x);
}

// x * sigmoid(x)
[[maybe_unused]] inline __attribute__((always_inline)) float silu(float x) {
  return x * sigmoid(x);
}

constexpr int LANES = 16;

// f(0) + ... + f(n - 1) in sixteen sums side by side, so that the compiler has a vector to work with.
template <class F>
inline __attribute__((always_inline)) float sum_of(int64_t n, F &&f) {
  float lanes[LANES] = {};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += f(i + l);
  for (int l = 0; i < n; i++, l++) lanes[l] += f(i);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

[[maybe_unused]] inline float dot(const float *a, const float *b, int64_t n) {
  return sum_of(n, [&](int64_t i) { return a[i] * b[i]; });
}

// x[0..n) becomes its softmax; n >= 1.
[[maybe_unused]] inline void softmax(float *x, int64_t n) {
  float most[LANES];
  for (int l = 0; l < LANES; l++) most[l] = x[0];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
  for (; i < n; i++) most[0] = x[i] > most[0] ? x[i] : most[0];
  for (int l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
  float top = most[0];
  for (i = 0; i < n; i++) x[i] = exp_(x[i] - top);
  float inverse = 1.f / sum_of(n, [&](int64_t j) { return x[j]; });
  for (i = 0; i < n; i++) x[i] *= inverse;
}

}  // namespace
}  // namespace fovea
