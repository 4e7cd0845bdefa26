// Launching y = f(a) and y = f(a, b).
#pragma once

#include "cuda/elementwise.h"
#include "launch.h"

namespace fovea {
namespace {

// b: null for a function of one argument. y may share memory with a or b.
[[maybe_unused]] inline void elementwise(Launch &l, const Function<ElementwiseParams> &one,
                                         const Function<ElementwiseParams> &four,
                                         const fovea_tensor &a, const fovea_tensor *b,
                                         const fovea_tensor &y) {
  ElementwiseParams p{f32(a), b ? f32(*b) : nullptr, out32(y), row_elements(y), l.rows(y)};
  if (p.width % 4 == 0 && aligned16(p.a, p.b, p.y)) {
    l.launch(four, pieces(elements(y), 4 * 256), 256, 0, p, OVERLAP);
  } else {
    l.launch(one, pieces(elements(y), 256), 256, 0, p, OVERLAP);
  }
}

}  // namespace
}  // namespace fovea
