// y = (x - mean) / sqrt(variance + eps) g + b, a work-item to a row, in three passes over it: the variance is of differences from
// the mean. y may be x.
__kernel GROUP(1) void layer_norm__row(TENSOR(x), TENSOR(g), TENSOR(b), TENSOR(y), int width, float eps) {
  __global const float *x = F32(x) + get_global_id(0) * width;
  __global float *y = F32(y) + get_global_id(0) * width;
  int whole = width / 16 * 16;
  float16 sums = 0;
  float rest = 0;
  for (int i = 0; i < whole; i += 16) sums += vload16(0, x + i);
  for (int i = whole; i < width; i++) rest += x[i];
  float mean = (sum16(sums) + rest) / width;
  sums = 0;
  rest = 0;
  for (int i = 0; i < whole; i += 16) {
    float16 d = vload16(0, x + i) - mean;
    sums += d * d;
  }
  for (int i = whole; i < width; i++) rest += (x[i] - mean) * (x[i] - mean);
  float scale = 1 / sqrt((sum16(sums) + rest) / width + eps);
  for (int i = 0; i < whole; i += 16)
    vstore16((vload16(0, x + i) - mean) * scale * vload16(0, F32(g) + i) + vload16(0, F32(b) + i), 0,
             y + i);
  for (int i = whole; i < width; i++) y[i] = (x[i] - mean) * scale * F32(g)[i] + F32(b)[i];
}
