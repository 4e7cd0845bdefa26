#pragma once

#include "cuda/report.h"

struct AttentionParams {
  const float *q, *k, *v;  // [N,H,Dh]
  float *y;
  int32_t heads, width;
  float scale;
  int32_t aligned;  // all four addresses are multiples of 16
  Rows rows;
};
