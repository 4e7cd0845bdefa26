#pragma once

#include "cuda/report.h"

struct KvAppendParams {
  void *cache;  // f32 or binary16 [Pg,Hk,Ps,Dh]
  const float *x;
  const int32_t *pos, *seq, *pages;
  int32_t page_count, heads, places, width;  // Pg, Hk, Ps, Dh
  int32_t sequences, table;                  // B, Mp: the sizes of pages
  Rows rows;
};
