// y = x/2 * (1 + erf(x / sqrt 2))

#include "cuda/elementwise.cuh"

namespace {
struct Gelu {
  FOVEA_DEVICE float operator()(float x) const { return 0.5f * x * (1.f + erff(x * 0.70710678f)); }
};
}  // namespace

FOVEA_KERNEL(gelu__one, ElementwiseParams, 256) { one_element(p, Gelu{}); }
FOVEA_KERNEL(gelu__four, ElementwiseParams, 256) { four_elements(p, Gelu{}); }
