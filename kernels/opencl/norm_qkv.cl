// What stands before attention, in two or three launches: rows may be normalised into memory first (rms_norm.cl); three maps of them,
// [rows,q], [rows,k], [rows,v] behind each other; the queries turned into the output, the keys turned into their pages, the values into
// theirs.

#ifdef OUTS
// A work-item to OUTS outputs of one map of a row, which is normalised on the way.
__kernel GROUP(ITEMS) void norm_qkv__row(TENSOR(x), TENSOR(g), TENSOR(wq), TENSOR(wk), TENSOR(wv), TENSOR(made), int width, int queries,
                            int keys, int capacity, float eps) {
  int first = get_global_id(0) * OUTS, t = get_global_id(1), map = get_global_id(2);
  int outs = map == 0 ? queries : keys;
  if (first >= outs) return;
  float sums[OUTS];
  dots(F32(x) + (ulong)t * width, F32(g), eps, map == 0 ? BYTES(wq) : map == 1 ? BYTES(wk) : BYTES(wv), first, outs, width,
       sums);
  __global float *y = F32(made) + (map == 0 ? 0 : (ulong)capacity * (queries + (map - 1) * keys)) + (ulong)t * outs + first;
  for (int k = 0; k < min(OUTS, outs - first); k++) y[k] = sums[k];
}

#else
// The same on tiles, of rows that are normalised already.
__kernel GROUP(ITEMS) void norm_qkv__tile(TENSOR(x), TENSOR(wq), TENSOR(wk), TENSOR(wv), TENSOR(made), int rows, int width, int queries,
                             int keys, int capacity) {
  int first = get_global_id(0) * TILE_OUTS, top = get_global_id(1) * TILE_ROWS, map = get_global_id(2);
  int outs = map == 0 ? queries : keys;
  if (first >= outs) return;
  float sums[TILE_ROWS][TILE_OUTS];
  tile(F32(x), top, rows, map == 0 ? BYTES(wq) : map == 1 ? BYTES(wk) : BYTES(wv), first, outs, width, sums);
  __global float *y = F32(made) + (map == 0 ? 0 : (ulong)capacity * (queries + (map - 1) * keys)) + first;
  for (int t = 0; t < min(TILE_ROWS, rows - top); t++)
    for (int k = 0; k < min(TILE_OUTS, outs - first); k++) y[(ulong)(top + t) * outs + k] = sums[t][k];
}
#endif
