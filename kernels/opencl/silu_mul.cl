// y = g / (1 + exp(-g)) u, sixteen elements a work-item. y may be g or u. Traffic: 12 bytes an element.
__kernel GROUP(16) void silu_mul__sixteen(TENSOR(g), TENSOR(u), TENSOR(y), int rows, int width) {
  ulong n = (ulong)rows * width, i = get_global_id(0) * 16;
  if (i + 16 <= n) {
    float16 g = vload16(0, F32(g) + i);
    vstore16(g / (1 + exp(-g)) * vload16(0, F32(u) + i), 0, F32(y) + i);
  } else {
    for (; i < n; i++) F32(y)[i] = F32(g)[i] / (1 + exp(-F32(g)[i])) * F32(u)[i];
  }
}
