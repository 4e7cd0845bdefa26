// Elementary functions that the compiler can vectorize: no branches, no calls. Internal linkage: see run.h.
#pragma once

#include "half.h"

namespace fovea {
namespace {

// e^x to about 2 units in the last place for |x| <= 87; 0 below -87.3, a huge finite number above 88.3. The argument is
// split into n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, Cody and Waite 1980), e^r is a polynomial of degree 6.
[[maybe_unused]] inline __attribute__((always_inline)) float exp_(float x) {
  float c = x < -87.3f ? -87.3f : x;
  c = c > 88.3f ? 88.3f : c;
  float shifted = c * 1.44269504f + 12582912.f;  // 1.5 * 2^23: rounds to a whole number
  float n = shifted - 12582912.f;
  float r = c - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.3981999e-3f;
  p = p * r + 8.3334519e-3f;
  p = p * r + 4.1665796e-2f;
  p = p * r + 1.6666666e-1f;
  p = p * r + 5.0000000e-1f;
  p = p * r * r + r + 1.f;
  float scale = from_bits((static_cast<uint32_t>(static_cast<int32_t>(n)) + 127u) << 23);
  return x < -87.3f ? 0.f : p * scale;
}

[[maybe_unused]] inline __attribute__((always_inline)) float sigmoid(float x) { return 1.f / (1.f + exp_(-x)); }

// x * sigmoid(1.702 x)
[[maybe_unused]] inline __attribute__((always_inline)) float quick_gelu(float x) { return x * sigmoid(1.702f * x); }

// x * sigmoid(x)
[[maybe_unused]] inline __attribute__((always_inline)) float silu(float x) { return x * sigmoid(x); }

}  // namespace
}  // namespace fovea
