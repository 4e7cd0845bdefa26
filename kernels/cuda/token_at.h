#pragma once

#include "cuda/report.h"

struct TokenAtParams {
  const int32_t *tokens;  // [sequences, places]
  const int32_t *seq, *pos;
  int32_t *y;
  int32_t sequences, places;
  Rows rows;
};
