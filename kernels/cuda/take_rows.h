#pragma once

#include "cuda/report.h"

struct TakeRowsParams {
  const float *x;
  const int32_t *rows;
  float *y;
  uint32_t width;
  Rows from;   // of x
  Rows taken;  // of rows and y
};
