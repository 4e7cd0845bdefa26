#pragma once

#include <stdint.h>

struct PatchifyParams {
  const float *pixels;
  float *y;
  int32_t channels, height, width;  // of the picture
  int32_t patch;                    // its side
};
