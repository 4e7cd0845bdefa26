// Elementary functions that the compiler can vectorize: no branches, no calls. Internal linkage: see run.h.
#pragma once

#include "vec.h"

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

inline __attribute__((always_inline)) float lanes_sum(float lanes[LANES]) {
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

// f(0) + ... + f(n - 1) in sixteen sums side by side, so that the compiler has a vector to work with.
template <class F>
inline __attribute__((always_inline)) float sum_of(int64_t n, F &&f) {
  float lanes[LANES] = {};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += f(i + l);
  for (int l = 0; i < n; i++, l++) lanes[l] += f(i);
  return lanes_sum(lanes);
}

[[maybe_unused]] inline float dot(const float *a, const float *b, int64_t n) {
  return sum_of(n, [&](int64_t i) { return a[i] * b[i]; });
}

// x[0..n) becomes e^(x - max), n >= 1; returns what they are to be multiplied with to be its softmax. That is left to sums made with them.
// Not inlined: within other loops compilers lose sight of the vectors.
[[maybe_unused, gnu::noinline]] static float softmax(float *x, int64_t n) {
  // Compilers make no vectors of a maximum, whose order matters where there is a NaN.
  Vec most = Vec::all(x[0]);
  int64_t i = 0;
  for (; i + Vec::LANES <= n; i += Vec::LANES) most.raise(Vec::load(x + i));
  float tops[Vec::LANES], top = x[0], sums[LANES] = {};
  most.store(tops);
  for (float t : tops) top = t > top ? t : top;
  for (; i < n; i++) top = x[i] > top ? x[i] : top;
  for (i = 0; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      x[i + l] = exp_(x[i + l] - top);
      sums[l] += x[i + l];
    }
  }
  for (int l = 0; i < n; i++, l++) {
    x[i] = exp_(x[i] - top);
    sums[l] += x[i];
  }
  return 1.f / lanes_sum(sums);
}

}  // namespace
}  // namespace fovea
