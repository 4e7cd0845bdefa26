// y = x / sqrt(mean of squares + eps) g, a work-item to a row. y may be x. Traffic: the rows twice read, the second time from cache,
// and once written.
__kernel GROUP(1) void rms_norm__row(TENSOR(x), TENSOR(g), TENSOR(y), int width, float eps) {
  __global const float *x = F32(x) + get_global_id(0) * width;
  __global float *y = F32(y) + get_global_id(0) * width;
  float16 squares = 0;
  float rest = 0;
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    float16 v = vload16(0, x + i);
    squares += v * v;
  }
  for (int k = i; k < width; k++) rest += x[k] * x[k];
  float scale = 1 / sqrt((sum16(squares) + rest) / width + eps);
  for (i = 0; i + 16 <= width; i += 16)
    vstore16(vload16(0, x + i) * scale * vload16(0, F32(g) + i), 0, y + i);
  for (; i < width; i++) y[i] = x[i] * scale * F32(g)[i];
}
