// The params of the kernels below; `fault` picks what is planted: 0 nothing.
#pragma once

#include <stdint.h>

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
