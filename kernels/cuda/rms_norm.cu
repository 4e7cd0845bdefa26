// y = x / sqrt(mean(x^2) + eps) * g. A block takes a row, a thread pieces of four neighbours; the second look at the row comes
// from the first-level cache. y may be x: a thread writes only what it alone reads. Both kernels add in the same order.
// Traffic: 8 bytes an element.

#include "cuda/rms_norm.cuh"

FOVEA_KERNEL(rms_norm__one, RmsNormParams, 1024) {
  FOVEA_SHARED(float, partial, 32);
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row < live_rows(p.rows)) rms_norm<false>(p, partial, row, blockDim.x);
}

FOVEA_KERNEL(rms_norm__four, RmsNormParams, 1024) {
  FOVEA_SHARED(float, partial, 32);
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row < live_rows(p.rows)) rms_norm<true>(p, partial, row, blockDim.x);
}
