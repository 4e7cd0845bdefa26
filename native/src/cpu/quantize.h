// Blocks of eight bits made of binary32, as ggml's reference makes them. Internal linkage: see run.h.
#pragma once

#include "common/blocks.h"
#include "half.h"

namespace fovea {
namespace {

// d = max|x| / 127, q = x (1/d) to the nearest, halves away from zero. Each step is one rounded operation of binary32, so that
// kernels everywhere make the same bytes. A NaN or infinity among x spoils its block.
[[maybe_unused]] inline void quantize(const float *x, fovea_q8_0 *to) {
  float most = 0;
  for (int i = 0; i < FOVEA_BLOCK; i++) {
    float a = x[i] < 0 ? -x[i] : x[i];
    most = a > most ? a : most;
  }
  float d = most / 127.f;
  float inverse = d == 0 ? 0 : 1.f / d;
  to->d = to_half(d);
  for (int i = 0; i < FOVEA_BLOCK; i++) {
    float v = x[i] * inverse;
    v = v >= -127.f ? v : -127.f;  // a NaN too, and what 1/d leaves of numbers below 2^-121
    v = v <= 127.f ? v : 127.f;
    int32_t whole = static_cast<int32_t>(v);
    float rest = v - static_cast<float>(whole);
    to->q[i] = static_cast<int8_t>(whole + (rest >= 0.5f) - (rest <= -0.5f));
  }
}

}  // namespace
}  // namespace fovea
