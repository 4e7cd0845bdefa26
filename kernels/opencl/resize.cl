// Resamples a picture as dev.fovea.op.Resize defines it, in whole numbers. A work-item makes one column of OUT_ROWS rows: it resamples
// the picture rows that they read across, one after the other, and adds each to the sums of the rows that want it, so that no memory
// is needed for the picture between the passes. Strips above each other share rows, which each resamples for itself.

#define OUT_ROWS 16
#define LEVELS 256

int rounded(uint sum) { return clamp((int)(sum + (1u << 21)) >> 22, 0, LEVELS - 1); }

// One that lies outside of the picture or the weights reads nothing.
int4 span(__global const int *spans, int i, int size, int weights, ERROR) {
  int4 s = vload4(i, spans);
  if (s.x < 0 || s.y < 0 || (long)s.x + s.y > size || s.z < 0 || (long)s.z + s.y > weights) {
    REPORT();
    s.y = 0;
  }
  return s;
}

__kernel GROUP(16) void resize__strip(TENSOR(pixels), TENSOR(picture), TENSOR(geometry), TENSOR(across), TENSOR(down), TENSOR(weights),
                            TENSOR(levels), int picture_bytes, int weight_count, int rows, int columns, ERROR) {
  int x = get_global_id(0), top = get_global_id(1) * OUT_ROWS;
  if (x >= columns) return;
  __global const int *geometry = I32(geometry);
  int width = geometry[0], height = geometry[1];
  uint4 color = (uint4)(geometry[3], geometry[4], geometry[5], 0);
  if (width <= 0 || height <= 0 || (long)width * height > picture_bytes / 3 || any(color >= (uint4)LEVELS)) {
    REPORT();
    return;
  }
  int4 column = span(I32(across), x, width, weight_count, error, step);
  int n = min(OUT_ROWS, rows - top);
  int4 wanted[OUT_ROWS];
  int from = height, to = 0;
  for (int i = 0; i < n; i++) {
    wanted[i] = span(I32(down), top + i, height, weight_count, error, step);
    if (wanted[i].y > 0) {
      from = min(from, wanted[i].x);
      to = max(to, wanted[i].x + wanted[i].y);
    }
  }
  __global const int *w = I32(weights) + column.z;
  uint total = column.w;
  for (int k = 0; k < column.y; k++) total += (uint)w[k];
  uint4 padding = total * color;  // a row of padding, resampled
  padding = (uint4)(rounded(padding.x), rounded(padding.y), rounded(padding.z), 0);
  uint4 sums[OUT_ROWS];
  for (int i = 0; i < n; i++) sums[i] = (uint)wanted[i].w * padding;
  for (int y = from; y < to; y++) {
    __global const uchar *at = BYTES(picture) + ((long)y * width + column.x) * 3;
    uint4 sum = (uint)column.w * color;
    for (int k = 0; k < column.y; k++)
      sum += (uint)w[k] * (uint4)(at[3 * k], at[3 * k + 1], at[3 * k + 2], 0);
    sum = (uint4)(rounded(sum.x), rounded(sum.y), rounded(sum.z), 0);
    for (int i = 0; i < n; i++)
      if (y >= wanted[i].x && y < wanted[i].x + wanted[i].y)
        sums[i] += (uint)I32(weights)[wanted[i].z + y - wanted[i].x] * sum;
  }
  int plane = rows * columns;
  for (int i = 0; i < n; i++) {
    int place = geometry[2] ? x * rows + top + i : (top + i) * columns + x;
    F32(pixels)[place] = F32(levels)[rounded(sums[i].x)];
    F32(pixels)[plane + place] = F32(levels)[LEVELS + rounded(sums[i].y)];
    F32(pixels)[2 * plane + place] = F32(levels)[2 * LEVELS + rounded(sums[i].z)];
  }
}
