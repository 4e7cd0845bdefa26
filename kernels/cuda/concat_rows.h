#pragma once

#include <stdint.h>

struct ConcatRowsParams {
  const float *a, *b;
  float *y;
  int64_t first, total;  // elements of a, of y
};
