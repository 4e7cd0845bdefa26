// What the params of a kernel carry beside pointers and sizes; filled by Launch::rows and Launch::report.
#pragma once

#include <stdint.h>

// Where a kernel leaves word of a bad id, row, page or position (see report() in block.cuh).
struct Report {
  int32_t *cell;
  int32_t code;  // step << 8 | FOVEA_E_RANGE
};

// The rows of a tensor that count in this run: *live of them, or all where live is null (see live_rows() in block.cuh).
struct Rows {
  const int32_t *live;
  int32_t count;
  Report error;
};
