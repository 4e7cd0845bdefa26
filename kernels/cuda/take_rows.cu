// y[r] = x[rows[r]]. Blocks along x are rows, along y pieces of a row. A row number out of range is reported and its row of y
// left alone. Traffic: the rows once.

#include "cuda/block.cuh"
#include "cuda/take_rows.h"

namespace {

template <class Piece>
FOVEA_DEVICE void take(const TakeRowsParams &p) {
  take_turn();
  int r = static_cast<int>(blockIdx.x);
  if (r >= live_rows(p.taken)) return;
  int row = p.rows[r];
  if (row < 0 || row >= live_rows(p.from)) {
    if (threadIdx.x == 0) report(p.taken.error);
    return;
  }
  unsigned pieces = p.width / unsigned{sizeof(Piece) / 4};
  auto *x = reinterpret_cast<const Piece *>(p.x + int64_t{row} * p.width);
  auto *y = reinterpret_cast<Piece *>(p.y + int64_t{r} * p.width);
  for (unsigned i = blockIdx.y * blockDim.x + threadIdx.x; i < pieces; i += gridDim.y * blockDim.x)
    y[i] = x[i];
}

}  // namespace

FOVEA_KERNEL(take_rows__one, TakeRowsParams, 256) { take<float>(p); }
FOVEA_KERNEL(take_rows__four, TakeRowsParams, 256) { take<float4>(p); }
