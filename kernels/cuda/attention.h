#pragma once

#include "cuda/report.h"

struct AttentionParams {
  const void *q, *k, *v;  // [N,H,Dh], of the kernel's type
  float *y;
  int32_t heads, width;
  float scale;
  int32_t aligned;  // all four addresses are multiples of 16
  Rows rows;
};
