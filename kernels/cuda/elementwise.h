#pragma once

#include "cuda/report.h"

// y = f(a) or f(a, b)
struct ElementwiseParams {
  const float *a, *b;
  float *y;
  int64_t width;  // elements of a row
  Rows rows;
};
