#pragma once

#include "cuda/report.h"

struct AddParams {
  const float *a, *b;
  float *y;
  int64_t width;  // elements of a row
  Rows rows;
};
