// What follows a linear map whose products another library has left in scratch memory: the row's power of two, bias,
// activation, residual; of the rows that count alone.
//
// Grid: x rows, y pieces of a row. Block: 256 threads, an element each.
// Traffic: 8 bytes an element, 12 with a second operand; beside a product of width I at 2 flops a term that is 1/I of it at the
// ratio of flops to bytes that a device has, so a few per cent at I = 4096. Not measured.

#include "cuda/linear.cuh"

FOVEA_KERNEL(linear__then, LinearThenParams, 256) {
  take_turn();
  const LinearParams &l = p.p;
  int64_t t = blockIdx.x;
  if (t >= live_rows(l.rows)) return;
  float scale = l.row_scales ? l.row_scales[t] : 1.f;
  int step = static_cast<int>(gridDim.y * blockDim.x);
  for (int o = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); o < l.outs; o += step) {
    int64_t at = t * l.outs + o;
    linear_finish(l, t, o, p.sums[at] * scale, p.up_sums ? p.up_sums[at] * scale : 0.f, 0);
  }
}
