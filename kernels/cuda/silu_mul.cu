// y = g * sigmoid(g) * u

#include "cuda/elementwise.cuh"

namespace {
struct SiluMul {
  FOVEA_DEVICE float operator()(float g, float u) const { return g / (1.f + expf(-g)) * u; }
};
}  // namespace

FOVEA_KERNEL(silu_mul__one, ElementwiseParams, 256) { one_element(p, SiluMul{}); }
FOVEA_KERNEL(silu_mul__four, ElementwiseParams, 256) { four_elements(p, SiluMul{}); }
