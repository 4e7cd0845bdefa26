#pragma once

#include "cuda/report.h"

constexpr int ROPE_PAIRS = 256;  // the most in a head

struct RopeParams {
  const float *x;
  const int32_t *pos;
  float *y;
  int32_t heads, pairs;  // a head is 2 * pairs wide
  int32_t neighbours;    // pair i is (2i, 2i+1), else (i, i + pairs)
  Rows rows;
  double turns[ROPE_PAIRS];  // half turns of pair i per position: scale * theta^(-i / pairs) / pi
};
