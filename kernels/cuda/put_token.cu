// tokens[seq[t], pos[t] + 1] = ids[t] where pos[t] >= 0, a thread a row. A row that names no place is reported and left out.

#include "cuda/block.cuh"
#include "cuda/put_token.h"

FOVEA_KERNEL(put_token__row, PutTokenParams, 128) {
  take_turn();
  int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= live_rows(p.rows)) return;
  int seq = p.seq[t], pos = p.pos[t];
  if (seq < 0 || seq >= p.sequences || pos >= p.places - 1) {
    report(p.rows.error);
    return;
  }
  if (pos >= 0) p.tokens[int64_t{seq} * p.places + pos + 1] = p.ids[t];
}
