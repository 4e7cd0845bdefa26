// Pixels [C,Y,X] to patches [P,C*p*p]: a block writes one patch. Reads come in runs of a patch's side, and the lines they
// share with the next patch are still in the second-level cache. Traffic: the picture read and written once.

#include "cuda/block.cuh"
#include "cuda/patchify.h"

FOVEA_KERNEL(patchify__patch, PatchifyParams, 256) {
  take_turn();
  int across = p.width / p.patch;
  int64_t top = int64_t{blockIdx.x} / across * p.patch;
  int64_t left = int64_t{blockIdx.x} % across * p.patch;
  int square = p.patch * p.patch;
  int size = p.channels * square;
  float *y = p.y + int64_t{blockIdx.x} * size;
  for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
    int c = i / square, at = i % square;
    y[i] = p.pixels[(c * int64_t{p.height} + top + at / p.patch) * p.width + left + at % p.patch];
  }
}
