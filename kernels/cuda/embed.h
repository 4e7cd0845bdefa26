#pragma once

#include "cuda/report.h"

struct EmbedParams {
  const int32_t *ids;
  const void *table;       // quants, of a quantized table
  const uint16_t *scales;  // of a quantized table
  const float *image;
  float *y;
  int32_t words, image_rows;
  uint32_t width;
  Rows rows;
};
