#pragma once

#include "cuda/report.h"

struct AdvanceParams {
  int32_t *pos;
  Rows rows;
};
