// What kernels of linear maps share: weights one by one, and what follows the map.
#pragma once

#include "cuda/block.cuh"
#include "cuda/linear.h"

enum class LinearWeights { F32, F16, BF16, Q8_0, Q4_0 };

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
