// What kernels of linear maps share: weights one by one, and what follows the map.
#pragma once

#include "cuda/block.cuh"
#include "cuda/linear.h"

enum class LinearWeights { F32, F16, BF16, Q8_0, Q4_0, Q4_G128 };

// A binary16, or a word with a zero point above the binary16.
template <LinearWeights W>
struct LinearScale {
  using Type = uint16_t;
};
template <>
struct LinearScale<LinearWeights::Q4_G128> {
  using Type = uint32_t;
};

// How weights in blocks lie: bytes of 32 elements of a row, and how many times 32 elements share a scale.
template <LinearWeights W>
struct LinearBlocks {
  static constexpr bool ANY = W >= LinearWeights::Q8_0;
  static constexpr bool GROUPED = W == LinearWeights::Q4_G128,
                        FOUR = GROUPED || W == LinearWeights::Q4_0;
  static constexpr int BYTES = FOUR ? 16 : 32, SPAN = GROUPED ? 4 : 1;
  using Scale = typename LinearScale<W>::Type;
  // The scales of a row.
  static FOVEA_DEVICE const Scale *row(const void *scales, int64_t row, int width) {
    return static_cast<const Scale *>(scales) + row * (width / (32 * SPAN));
  }
  static FOVEA_DEVICE float scale(Scale s) { return f16_to_f32(static_cast<uint16_t>(s)); }
  // What the numbers that weights are stored as are above zero.
  static FOVEA_DEVICE int zero(Scale s) {
    return GROUPED ? static_cast<int>(uint32_t{s} >> 16) : FOUR ? 8 : 0;
  }
};

FOVEA_DEVICE float linear_sigmoid(float v) { return 1.f / (1.f + expf(-v)); }

// Element (t, o) of y from the sums of the first weights and of the second, which only swiglu has.
FOVEA_DEVICE void linear_finish(const LinearParams &p, int64_t t, int o, float v, float u) {
  int64_t at = t * p.outs + o;
  if (p.b) v += p.b[o];
  switch (p.then) {
    case LINEAR_ADD:
      v = p.r[at] + v;
      break;
    case LINEAR_QUICK_GELU:
      v = v * linear_sigmoid(1.702f * v);
      break;
    case LINEAR_GELU:
      v = 0.5f * v * (1.f + erff(v * 0.70710678f));
      break;
    case LINEAR_SWIGLU:
      v = v * linear_sigmoid(v) * u;
      break;
    default:
      break;
  }
  p.y[at] = v;
}
