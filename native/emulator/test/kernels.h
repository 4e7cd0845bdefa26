// The params of the kernels below; `fault` picks what is planted: 0 nothing.
#pragma once

#include <stdint.h>

#include "cuda/tensor_map.h"

struct TestParams {
  const float *x;
  float *y;
  int32_t count;
  int32_t fault;
};

struct MatrixParams {
  const void *a;  // [16,K], row by row
  const void *b;  // [8,K]: column by column of [K,8]
  void *d;        // [16,8], sums in place
};

struct ProductParams {
  TensorMap a;  // [64,K] in boxes of [64,64]
  TensorMap b;  // [N,K] in boxes of [N,64]
  TensorMap y;  // [64,N] f32 in boxes of [64,32]
  int32_t k;    // K/64
  int32_t fault;
};
