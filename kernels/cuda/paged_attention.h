#pragma once

#include "cuda/report.h"

struct PagedAttentionParams {
  const float *q;     // [T,H,Dh]
  const void *k, *v;  // [Pg,Hk,Ps,Dh]
  const int32_t *pos, *seq, *pages;
  float *y;
  int32_t heads, key_heads, width;
  int32_t pool, places, sequences, table;  // Pg, Ps, B, Mp
  float scale;
  int32_t aligned;  // q, k, v and y are multiples of 16
  Rows rows;
};

// The keys of a row are cut into at most PARTS parts of at least PART keys; how many follows from the row's position alone, so
// that neither the grid nor the other rows of a run can be seen in the result.
constexpr int SPLIT_PARTS = 16, SPLIT_PART = 64;

// Where partial results lie, each [T,H,SPLIT_PARTS] and then more; and a counter a (row, group of query heads), zero between
// launches.
struct SplitParams {
  PagedAttentionParams a;
  float *sums;    // [..,Dh] weighted values
  float *states;  // [..,2] largest score, sum of weights
  int32_t *arrived;
};
