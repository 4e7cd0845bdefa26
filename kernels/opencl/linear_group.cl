// Linear maps of many rows where work-items of a group share a processor: a group makes SIDE x SIDE outputs, a work-item four by four of
// them, from a block of weights and rows at a time that the group has put into local memory. finish16 is linear.clh's.
#define SIDE 32
#define ACROSS (SIDE / 4)
#define PITCH (SIDE + 1)  // so that columns begin in different banks

// Adds to sums the products of 32 inputs that all have in local memory, [input][row or output].
void products(__local const float *x, __local const float *w, int left, int top, float *sums) {
  for (int i = 0; i < 32; i++, x += PITCH, w += PITCH) {
    float4 a = (float4)(w[left], w[left + 1], w[left + 2], w[left + 3]);
    for (int t = 0; t < 4; t++)
      for (int k = 0; k < 4; k++) sums[4 * t + k] += x[top + t] * ((float *)&a)[k];
  }
}

// One map: all of the group must come here.
float16 grouped(__global const float *x, __global const uchar *w, int rows, int outs, int width, __local float *xs,
                __local float *ws) {
  int item = get_local_id(0), line = item / 2, half_ = item % 2;
  int left = item % ACROSS * 4, top = item / ACROSS * 4;
  __global const float *from = x + (long)min((int)get_group_id(1) * SIDE + line, rows - 1) * width;
  __global const uchar *row = w + min((int)get_group_id(0) * SIDE + line, outs - 1) * ROW_BYTES(width);
  float sums[16];
  for (int i = 0; i < 16; i++) sums[i] = 0;
  for (int i = 0; i < width; i += 32) {
    float numbers[16], weights[16];
    if (i + 32 <= width) {
      float16 low, high;
      unpack(row, i / 32, &low, &high);
      vstore16(half_ == 0 ? low : high, 0, weights);
      vstore16(vload16(0, from + i + 16 * half_), 0, numbers);
    } else {  // past the end there is nothing to add
      for (int k = 0; k < 16; k++) {
        int at = i + 16 * half_ + k;
        weights[k] = at < width ? element(row, at) : 0;
        numbers[k] = at < width ? from[at] : 0;
      }
    }
    for (int k = 0; k < 16; k++) {
      xs[(16 * half_ + k) * PITCH + line] = numbers[k];
      ws[(16 * half_ + k) * PITCH + line] = weights[k];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    products(xs, ws, left, top, sums);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  return vload16(0, sums);
}

__kernel GROUP(ACROSS *ACROSS) void linear__group(TENSOR(x), TENSOR(w), TENSOR(up), TENSOR(b), TENSOR(r), TENSOR(y), int rows,
                                                  int width, int outs, int then) {
  __local float xs[32 * PITCH], ws[32 * PITCH];
  int first = get_group_id(0) * SIDE + get_local_id(0) % ACROSS * 4;
  int top = get_group_id(1) * SIDE + get_local_id(0) / ACROSS * 4;
  float16 v = grouped(F32(x), BYTES(w), rows, outs, width, xs, ws);
  float4 bias = 0;
  for (int k = 0; k < min(4, outs - first); k++) ((float *)&bias)[k] = b_mem ? F32(b)[first + k] : 0;
  v = finish16(v + (float16)(bias, bias, bias, bias), then);
  if (up_mem) v = v / (1 + exp(-v)) * grouped(F32(x), BYTES(up), rows, outs, width, xs, ws);
  for (int t = 0; t < min(4, rows - top); t++) {
    ulong at = (ulong)(top + t) * outs + first;
    for (int k = 0; k < min(4, outs - first); k++) {
      float found = ((float *)&v)[4 * t + k];
      F32(y)[at + k] = r_mem ? F32(r)[at + k] + found : found;
    }
  }
}
