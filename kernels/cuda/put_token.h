#pragma once

#include "cuda/report.h"

struct PutTokenParams {
  int32_t *tokens;  // [sequences, places]
  const int32_t *ids, *seq, *pos;
  int32_t sequences, places;
  Rows rows;
};
