// What tma_load_2d and its kin take: a matrix in global memory and the box that is moved at a time. Filled by
// cuTensorMapEncodeTiled, whose CUtensorMap this is; a field of a kernel's params.
#pragma once

#include <stdint.h>

struct alignas(64) TensorMap {
  uint64_t opaque[16];
};
static_assert(sizeof(TensorMap) == 128);
