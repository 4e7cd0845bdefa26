// y = a + b, sixteen elements a work-item. y may be a or b. Traffic: 12 bytes an element.
__kernel GROUP(16) void add__sixteen(TENSOR(a), TENSOR(b), TENSOR(y), int rows, int width) {
  ulong n = (ulong)rows * width, i = get_global_id(0) * 16;
  if (i + 16 <= n) {
    vstore16(vload16(0, F32(a) + i) + vload16(0, F32(b) + i), 0, F32(y) + i);
  } else {
    for (; i < n; i++) F32(y)[i] = F32(a)[i] + F32(b)[i];
  }
}
