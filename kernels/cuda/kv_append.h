#pragma once

#include "cuda/report.h"

struct KvAppendParams {
  void *cache;       // [Pg,Hk,Ps,Dh]: f32, binary16, or the quants of q8_0
  uint16_t *scales;  // of q8_0: [Pg,Hk,Ps,Dh/32]
  const float *x;
  const int32_t *pos, *seq, *pages;
  int32_t page_count, heads, places, width;  // Pg, Hk, Ps, Dh
  int32_t sequences, table;                  // B, Mp: the sizes of pages
  Rows rows;
};
