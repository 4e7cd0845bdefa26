// y = a + b, element by element. A thread takes one element, or four where width and addresses allow pieces of 16 bytes.
// Traffic: 12 bytes an element.

#include "cuda/add.h"
#include "cuda/block.cuh"

FOVEA_KERNEL(add__one, AddParams, 256) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < live_rows(p.rows) * p.width) p.y[i] = p.a[i] + p.b[i];
}

FOVEA_KERNEL(add__four, AddParams, 256) {
  int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * 4;
  if (i >= live_rows(p.rows) * p.width) return;
  float4 a = *reinterpret_cast<const float4 *>(p.a + i);
  float4 b = *reinterpret_cast<const float4 *>(p.b + i);
  *reinterpret_cast<float4 *>(p.y + i) = make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
