// y = x * sigmoid(1.702 x). Where the exponential overflows, x / inf is the limit, zero.

#include "cuda/elementwise.cuh"

namespace {
struct QuickGelu {
  FOVEA_DEVICE float operator()(float x) const { return x / (1.f + expf(-1.702f * x)); }
};
}  // namespace

FOVEA_KERNEL(quick_gelu__one, ElementwiseParams, 256) { one_element(p, QuickGelu{}); }
FOVEA_KERNEL(quick_gelu__four, ElementwiseParams, 256) { four_elements(p, QuickGelu{}); }
