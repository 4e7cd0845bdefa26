// Softmax(scale q k^T) v, every row attending to every row. A work-item takes sixteen rows of a head, one to a lane, so that a key or
// value is one number for all of them and nothing is added across lanes; eight keys at a time, with the running maximum and sum of
// Milakov and Gimelshein 2018 (arXiv:1805.02867). Sixteen lanes are what a vector unit of 512 bits holds; narrower ones take turns.
// DH is the width of a head.
#define KEYS 8

__kernel GROUP(1) void attention__lanes(TENSOR(q), TENSOR(k), TENSOR(v), TENSOR(y), int rows, int heads, float scale) {
  int head = get_global_id(0), top = get_global_id(1) * 16;
  int stride = heads * DH;
  float16 q[DH], sums[DH];
  for (int lane = 0; lane < 16; lane++) {
    __global const float *x = F32(q) + (long)min(top + lane, rows - 1) * stride + head * DH;
    for (int d = 0; d < DH; d++) ((float *)&q[d])[lane] = x[d] * scale;
  }
  for (int d = 0; d < DH; d++) sums[d] = 0;
  float16 most = -FLT_MAX, total = 0;
  for (int first = 0; first < rows; first += KEYS) {
    __global const float *k[KEYS], *v[KEYS];
    float16 s[KEYS];
    for (int j = 0; j < KEYS; j++) {
      long at = (long)min(first + j, rows - 1) * stride + head * DH;
      k[j] = F32(k) + at;
      v[j] = F32(v) + at;
      s[j] = 0;
    }
    for (int d = 0; d < DH; d++)
      for (int j = 0; j < KEYS; j++) s[j] += q[d] * k[j][d];
    float16 above = most;
    for (int j = 0; j < KEYS; j++) {
      if (first + j >= rows) s[j] = -INFINITY;
      above = fmax(above, s[j]);
    }
    float16 shrink = exp(most - above);
    most = above;
    total *= shrink;
    for (int j = 0; j < KEYS; j++) {
      s[j] = exp(s[j] - above);
      total += s[j];
    }
    for (int d = 0; d < DH; d++) {
      float16 sum = sums[d] * shrink;
      for (int j = 0; j < KEYS; j++) sum += s[j] * v[j][d];
      sums[d] = sum;
    }
  }
  for (int d = 0; d < DH; d++) sums[d] /= total;
  for (int lane = 0; lane < min(16, rows - top); lane++) {
    __global float *y = F32(y) + (long)(top + lane) * stride + head * DH;
    for (int d = 0; d < DH; d++) y[d] = ((float *)&sums[d])[lane];
  }
}
