// Turns pairs of a head's elements by pos * turn[pair]; a work-item to a head of a row. y may be x: a work-item reads a pair before
// it writes it. Traffic: 8 bytes an element.
__kernel GROUP(1) void rope__head(TENSOR(x), TENSOR(pos), TENSOR(y), __global const float *turns, int heads, int width,
                         int neighbours) {
  int head = get_global_id(0), row = get_global_id(1), pairs = width / 2;
  __global const float *x = F32(x) + ((ulong)row * heads + head) * width;
  __global float *y = F32(y) + ((ulong)row * heads + head) * width;
  float pos = I32(pos)[row];
  for (int i = 0; i < pairs; i++) {
    int first = neighbours ? 2 * i : i, second = neighbours ? first + 1 : i + pairs;
    float cosine, sine = sincos(pos * turns[i], &cosine);
    float a = x[first], b = x[second];
    y[first] = a * cosine - b * sine;
    y[second] = b * cosine + a * sine;
  }
}
