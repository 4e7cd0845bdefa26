// a's rows, then b's. A thread copies one element, or four. Traffic: both once.

#include "cuda/block.cuh"
#include "cuda/concat_rows.h"

FOVEA_KERNEL(concat_rows__one, ConcatRowsParams, 256) {
  take_turn();
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < p.total) p.y[i] = i < p.first ? p.a[i] : p.b[i - p.first];
}

FOVEA_KERNEL(concat_rows__four, ConcatRowsParams, 256) {
  take_turn();
  int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * 4;
  if (i >= p.total) return;
  const float *from = i < p.first ? p.a + i : p.b + (i - p.first);
  *reinterpret_cast<float4 *>(p.y + i) = *reinterpret_cast<const float4 *>(from);
}
