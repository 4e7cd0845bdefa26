// y = x / 2 erfc(-x / sqrt 2), sixteen elements a work-item. y may be x. Traffic: 8 bytes an element.
__kernel GROUP(16) void gelu__sixteen(TENSOR(x), TENSOR(y), int rows, int width) {
  ulong n = (ulong)rows * width, i = get_global_id(0) * 16;
  if (i + 16 <= n) {
    float16 x = vload16(0, F32(x) + i);
    vstore16(x / 2 * erfc(-M_SQRT1_2_F * x), 0, F32(y) + i);
  } else {
    for (; i < n; i++) F32(y)[i] = F32(x)[i] / 2 * erfc(-M_SQRT1_2_F * F32(x)[i]);
  }
}
