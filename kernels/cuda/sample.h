#pragma once

#include "cuda/report.h"

// How one row's token is chosen, as in dev.fovea.Sampling, and how often it was drawn for: one a row, in device memory, so that
// a captured step serves every request.
struct SampleRow {
  double temperature;  // 0: the most likely token
  double top_p, min_p;
  float penalty;  // of repetition; 1: none
  int32_t top_k;  // 0: all
  uint64_t seed;
  uint64_t draws;  // so far; the kernel counts on
};

struct SampleParams {
  const float *logits;  // rows `stride` apart; ids from 0 to vocabulary may be chosen
  int64_t stride;
  int32_t vocabulary;
  SampleRow *how;  // [R]; null: every row's most likely token
  uint32_t *
      seen;  // [R][ceil(vocabulary/32)] bits of tokens seen before, the chosen one is added; null: none
  float *weights;   // [R][vocabulary] scratch; null where every temperature is 0
  int32_t *tokens;  // [R]
  Rows rows;
};
