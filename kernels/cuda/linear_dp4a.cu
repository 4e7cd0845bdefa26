// Linear maps for few rows of x, see linear_dp4a.cuh.

#include "cuda/linear_dp4a.cuh"

#define KERNEL(name, FOUR, M)                         \
  FOVEA_KERNEL(name, LinearParams, 512) {             \
    FOVEA_SHARED_BYTES(shared);                       \
    rows<FOUR, M, 4>(p, shared, [] { take_turn(); }); \
  }

KERNEL(linear_q4_0__dp4a1, true, 1)
KERNEL(linear_q4_0__dp4a2, true, 2)
KERNEL(linear_q4_0__dp4a4, true, 4)
KERNEL(linear_q8_0__dp4a1, false, 1)
KERNEL(linear_q8_0__dp4a2, false, 2)
KERNEL(linear_q8_0__dp4a4, false, 4)
