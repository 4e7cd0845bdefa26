// y = x W^T + b, and what may follow: a residual, an activation, or the gate of a second map. y may be r.

#ifdef OUTS
float finish(float v, float b, int then) {
  v += b;
  return then == QUICK_GELU ? v / (1 + exp(-1.702f * v)) : then == GELU ? v / 2 * erfc(-M_SQRT1_2_F * v) : v;
}

// A work-item to OUTS outputs of a row: for decoding, where W is read once for each row. With g the row is normalised first.
__kernel GROUP(ITEMS) void linear__row(TENSOR(x), TENSOR(g), TENSOR(w), TENSOR(up), TENSOR(b), TENSOR(r), TENSOR(y), int width, int outs,
                          int then, float eps) {
  int first = get_global_id(0) * OUTS, t = get_global_id(1);
  if (first >= outs) return;
  __global const float *x = F32(x) + (ulong)t * width;
  __global const float *g = g_mem ? F32(g) : 0;
  float sums[OUTS], ups[OUTS];
  dots(x, g, eps, BYTES(w), first, outs, width, sums);
  if (up_mem) dots(x, g, eps, BYTES(up), first, outs, width, ups);
  ulong at = (ulong)t * outs + first;
  for (int k = 0; k < min(OUTS, outs - first); k++) {
    float v = finish(sums[k], b_mem ? F32(b)[first + k] : 0, then);
    if (up_mem) v = v / (1 + exp(-v)) * ups[k];
    F32(y)[at + k] = r_mem ? F32(r)[at + k] + v : v;
  }
}

#else
// A work-item to TILE_OUTS outputs of TILE_ROWS rows: for prompts and pictures. Sixteen results, of four rows, are finished at once.
__kernel GROUP(ITEMS) void linear__tile(TENSOR(x), TENSOR(w), TENSOR(up), TENSOR(b), TENSOR(r), TENSOR(y), int rows, int width, int outs,
                           int then) {
  int first = get_global_id(0) * TILE_OUTS, top = get_global_id(1) * TILE_ROWS;
  if (first >= outs) return;
  float sums[TILE_ROWS][TILE_OUTS], gates[TILE_ROWS][TILE_OUTS];
  for (int map = up_mem ? 0 : 1; map < 2; map++) {
    tile(F32(x), top, rows, map == 1 && up_mem ? BYTES(up) : BYTES(w), first, outs, width, map == 0 ? gates : sums);
  }
  float4 bias = 0;
  for (int k = 0; k < min(TILE_OUTS, outs - first); k++) ((float *)&bias)[k] = b_mem ? F32(b)[first + k] : 0;
  for (int t = 0; t < min(TILE_ROWS, rows - top); t += 4) {
    float16 v = finish16(vload16(0, sums[t]) + (float16)(bias, bias, bias, bias), then);
    if (up_mem) {
      float16 gate = vload16(0, gates[t]);
      v *= gate / (1 + exp(-gate));
    }
    for (int row = t; row < min(t + 4, rows - top); row++) {
      ulong at = (ulong)(top + row) * outs + first;
      for (int k = 0; k < min(TILE_OUTS, outs - first); k++) {
        float found = ((float *)&v)[(row - t) * TILE_OUTS + k];
        F32(y)[at + k] = r_mem ? F32(r)[at + k] + found : found;
      }
    }
  }
}
#endif
