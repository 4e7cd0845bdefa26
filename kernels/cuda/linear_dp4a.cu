// Linear maps for few rows of x, see linear_dp4a.cuh.

#include "cuda/linear_dp4a.cuh"

#define KERNEL(name, W, M)                                                                 \
  FOVEA_KERNEL(name, LinearParams, 512) {                                                  \
    FOVEA_SHARED_BYTES(shared);                                                            \
    rows<LinearWeights::W, M, AHEAD<LinearWeights::W, M>>(p, shared, [] { take_turn(); }); \
  }

KERNEL(linear_q4_0__dp4a1, Q4_0, 1)
KERNEL(linear_q4_0__dp4a2, Q4_0, 2)
KERNEL(linear_q4_0__dp4a4, Q4_0, 4)
KERNEL(linear_q4_g128__dp4a1, Q4_G128, 1)
KERNEL(linear_q4_g128__dp4a2, Q4_G128, 2)
KERNEL(linear_q4_g128__dp4a4, Q4_G128, 4)
KERNEL(linear_q8_0__dp4a1, Q8_0, 1)
KERNEL(linear_q8_0__dp4a2, Q8_0, 2)
KERNEL(linear_q8_0__dp4a4, Q8_0, 4)
