#pragma once

#include "cuda/report.h"

struct RmsNormParams {
  const float *x, *g;
  float *y;
  uint32_t width;
  float eps;
  Rows rows;
};
