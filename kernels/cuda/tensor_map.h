// What tma_load_2d and its kin take: a matrix in global memory and the box that is moved at a time. Filled by
// cuTensorMapEncodeTiled, whose CUtensorMap this is, aligned as since CUDA 13 (before: 64); a field of a kernel's params.
#pragma once

#include <stdint.h>

struct alignas(128) TensorMap {
  uint64_t opaque[16];
};
static_assert(sizeof(TensorMap) == 128);
