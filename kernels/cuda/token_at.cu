// y[t] = tokens[seq[t], pos[t]], a thread a row. A row that names no place is reported, and its y is 0: what follows must
// have some token. Traffic: sixteen bytes a row.

#include "cuda/block.cuh"
#include "cuda/token_at.h"

FOVEA_KERNEL(token_at__row, TokenAtParams, 128) {
  take_turn();
  int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= live_rows(p.rows)) return;
  int seq = p.seq[t], pos = p.pos[t];
  if (seq < 0 || seq >= p.sequences || pos < 0 || pos >= p.places) {
    report(p.rows.error);
    p.y[t] = 0;
    return;
  }
  p.y[t] = p.tokens[int64_t{seq} * p.places + pos];
}
