// y = f(a) or y = f(a, b), element by element. A thread takes one element, or four where width and addresses allow pieces of
// 16 bytes. y may be a or b. Traffic: each element of each tensor once.
#pragma once

#include "cuda/block.cuh"
#include "cuda/elementwise.h"

template <class F>
FOVEA_DEVICE void one_element(const ElementwiseParams &p, F f) {
  take_turn();
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= live_rows(p.rows) * p.width) return;
  if constexpr (requires { f(0.f, 0.f); }) {
    p.y[i] = f(p.a[i], p.b[i]);
  } else {
    p.y[i] = f(p.a[i]);
  }
}

template <class F>
FOVEA_DEVICE void four_elements(const ElementwiseParams &p, F f) {
  take_turn();
  int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * 4;
  if (i >= live_rows(p.rows) * p.width) return;
  float4 a = *reinterpret_cast<const float4 *>(p.a + i);
  if constexpr (requires { f(0.f, 0.f); }) {
    float4 b = *reinterpret_cast<const float4 *>(p.b + i);
    a = make_float4(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w));
  } else {
    a = make_float4(f(a.x), f(a.y), f(a.z), f(a.w));
  }
  *reinterpret_cast<float4 *>(p.y + i) = a;
}
