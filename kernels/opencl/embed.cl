// Rows of the table, or of picture features where an id is negative; a work-item to 32 elements of a row. An id out of range is
// reported and its row left alone. Traffic: the rows once.
__kernel GROUP(1) void embed__block(TENSOR(ids), TENSOR(table), TENSOR(image), TENSOR(y), int words, int pictures, int width, ERROR) {
  int i = get_global_id(0), row = get_global_id(1), id = I32(ids)[row];
  if (id >= words || -1 - id >= pictures) {
    REPORT();
    return;
  }
  __global float *y = F32(y) + (ulong)row * width + i * 32;
  int n = min(32, width - i * 32);
  if (id < 0) {
    __global const float *x = F32(image) + (ulong)(-1 - id) * width + i * 32;
    for (int k = 0; k < n; k++) y[k] = x[k];
    return;
  }
  __global const uchar *from = BYTES(table) + id * ROW_BYTES(width);
  if (n == 32) {
    float16 low, high;
    unpack(from, i, &low, &high);
    vstore16(low, 0, y);
    vstore16(high, 1, y);
  } else {
    for (int k = 0; k < n; k++) y[k] = element(from, i * 32 + k);
  }
}
