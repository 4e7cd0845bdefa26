// y = a + b

#include "cuda/elementwise.cuh"

namespace {
struct Add {
  FOVEA_DEVICE float operator()(float a, float b) const { return a + b; }
};
}  // namespace

FOVEA_KERNEL(add__one, ElementwiseParams, 256) { one_element(p, Add{}); }
FOVEA_KERNEL(add__four, ElementwiseParams, 256) { four_elements(p, Add{}); }
