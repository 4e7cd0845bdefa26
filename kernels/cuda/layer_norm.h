#pragma once

#include "cuda/report.h"

struct LayerNormParams {
  const float *x, *g, *b;
  float *y;
  uint32_t width;
  float eps;
  Rows rows;
};
