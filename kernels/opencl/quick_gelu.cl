// y = x / (1 + exp(-1.702 x)), sixteen elements a work-item. y may be x. Traffic: 8 bytes an element.
__kernel GROUP(16) void quick_gelu__sixteen(TENSOR(x), TENSOR(y), int rows, int width) {
  ulong n = (ulong)rows * width, i = get_global_id(0) * 16;
  if (i + 16 <= n) {
    float16 x = vload16(0, F32(x) + i);
    vstore16(x / (1 + exp(-1.702f * x)), 0, F32(y) + i);
  } else {
    for (; i < n; i++) F32(y)[i] = F32(x)[i] / (1 + exp(-1.702f * F32(x)[i]));
  }
}
