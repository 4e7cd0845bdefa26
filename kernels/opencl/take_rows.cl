// y[r] = x[rows[r]], a work-item to sixteen elements. A row number out of range is reported and its row of y left alone.
__kernel GROUP(1) void take_rows__sixteen(TENSOR(x), TENSOR(rows), TENSOR(y), int from, int width, ERROR) {
  int i = get_global_id(0) * 16, r = get_global_id(1), row = I32(rows)[r];
  if (row < 0 || row >= from) {
    REPORT();
    return;
  }
  __global const float *x = F32(x) + (ulong)row * width;
  __global float *y = F32(y) + (ulong)r * width;
  if (i + 16 <= width) {
    vstore16(vload16(0, x + i), 0, y + i);
  } else {
    for (; i < width; i++) y[i] = x[i];
  }
}
