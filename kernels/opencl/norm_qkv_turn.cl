// Turns sixteen pairs that begin at x by these angles: [first halves, second halves], or pairs side by side.
void turn16(__global const float *x, __global float *y, float16 angles, int i, int neighbours) {
  float16 cosine, sine = sincos(angles, &cosine);
  if (neighbours) {
    float16 low = vload16(0, x + 2 * i), high = vload16(1, x + 2 * i);
    float16 a = (float16)(low.even, high.even), b = (float16)(low.odd, high.odd);
    float16 c = a * cosine - b * sine, d = b * cosine + a * sine;
    low.even = c.lo, low.odd = d.lo, high.even = c.hi, high.odd = d.hi;
    vstore16(low, 0, y + 2 * i);
    vstore16(high, 1, y + 2 * i);
  } else {
    float16 a = vload16(0, x + i), b = vload16(0, x + i + DH / 2);
    vstore16(a * cosine - b * sine, 0, y + i);
    vstore16(b * cosine + a * sine, 0, y + i + DH / 2);
  }
}

// The end of norm_qkv: a work-item to a head of a row, of queries, then keys, then values. A row that names no place in the cache is
// reported and left out of it.
__kernel GROUP(1) void norm_qkv__turn(TENSOR(made), TENSOR(k), TENSOR(v), TENSOR(pos), TENSOR(seq), TENSOR(pages), TENSOR(y),
                             __global const float *turns, int sequences, int table, int pool, int heads, int key_heads,
                             int places, int capacity, int neighbours, ERROR) {
  int head = get_global_id(0), row = get_global_id(1), pos = I32(pos)[row];
  int map = head < heads ? 0 : head < heads + key_heads ? 1 : 2;
  head -= map == 0 ? 0 : heads + (map - 1) * key_heads;
  __global float *x = F32(made) + (map == 0 ? 0 : (ulong)capacity * (heads + (map - 1) * key_heads) * DH) +
                      ((ulong)row * (map == 0 ? heads : key_heads) + head) * DH;
  __global float *y = map == 0 ? F32(y) + ((ulong)row * heads + head) * DH : x;
  if (map < 2) {
    for (int i = 0; i < DH / 32; i++) turn16(x, y, (float)pos * vload16(i, turns), i * 16, neighbours);
    for (int i = DH / 32 * 16; i < DH / 2; i++) {
      int first = neighbours ? 2 * i : i, second = neighbours ? first + 1 : i + DH / 2;
      float cosine, sine = sincos(pos * turns[i], &cosine);
      float a = x[first], b = x[second];
      y[first] = a * cosine - b * sine;
      y[second] = b * cosine + a * sine;
    }
  }
  if (map == 0) return;
  long at = cache_row(I32(pages), sequences, table, pool, key_heads, places, I32(seq)[row], head, pos);
  if (at < 0) {
    REPORT();
    return;
  }
  put_row((map == 1 ? BYTES(k) : BYTES(v)) + at * CACHE_ROW(DH), x, DH);
}
