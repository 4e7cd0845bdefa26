#pragma once

#include "cuda/report.h"

struct ResizeParams {
  const uint8_t *picture;
  const int32_t *geometry;  // width, height, turned, red, green, blue
  const int32_t *
      across;  // four a column: first, count, where its weights are, the sum of its weights on padding
  const int32_t *down;  // four a row
  const int32_t *weights;
  const float *levels;  // [3,256]
  float *y;
  int64_t picture_bytes, weight_count;
  int32_t rows, columns;  // of the output
  Report error;
};
