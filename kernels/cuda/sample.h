#pragma once

#include "cuda/report.h"

struct SampleParams {
  const float *logits;  // rows `stride` apart
  int64_t stride;
  const int32_t *tokens;  // [sequences, places]
  const int32_t *seq, *pos;
  const float *control;  // five a row: temperature, top-k, top-p, min-p, penalty
  const int32_t *seed;   // two a row: low word, high word
  float *weights;        // [R, vocabulary] scratch
  int32_t *y;
  int32_t vocabulary, sequences, places;
  Rows rows;
  Report number;  // for a logit that is not a number
};
