#pragma once

#include "cuda/report.h"

struct PagedAttentionParams {
  const float *q;                       // [T,H,Dh]
  const void *k, *v;                    // [Pg,Hk,Ps,Dh]; of q8_0 the quants
  const uint16_t *k_scales, *v_scales;  // of q8_0: [Pg,Hk,Ps,Dh/32]
  const int32_t *pos, *seq, *pages;
  float *y;
  int32_t heads, key_heads, width;
  int32_t pool, places, sequences, table;  // Pg, Ps, B, Mp
  float scale;
  int32_t aligned;  // q, k, v and y are multiples of 16; of q8_0, k and v always are
  Rows rows;
};

// Tiles of the kernels on matrix units: query rows, and keys. Two stages of keys and values; those of q8_0 are widened to a tile
// of each, apart from the stages.
constexpr int PREFILL_TILE = 64;
constexpr int prefill_shared(int width, bool blocks) {
  int halves = 2 * PREFILL_TILE * width * 2, quants = 2 * PREFILL_TILE * (width + width / 32 * 2);
  return blocks ? halves + 2 * quants : 2 * halves;
}

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
