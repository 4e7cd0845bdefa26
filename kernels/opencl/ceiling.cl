// What a device can do at best, for comparing: see dev.fovea.opencl.Probe. Each writes what the compiler must not leave out.

// Every work-item reads `lines` of 64 bytes, side by side with the others of its group.
__kernel void ceiling__read(TENSOR(x), TENSOR(y), int lines) {
  __global const float *x = F32(x) + ((ulong)get_group_id(0) * lines * get_local_size(0) + get_local_id(0)) * 16;
  float16 a = 0, b = 0, c = 0, d = 0;
  ulong step = get_local_size(0) * 16;
  for (int i = 0; i < lines; i += 4, x += 4 * step) {
    a += vload16(0, x);
    b += vload16(0, x + step);
    c += vload16(0, x + 2 * step);
    d += vload16(0, x + 3 * step);
  }
  F32(y)[get_global_id(0)] = sum16(a + b + c + d);
}

// 256 multiply-adds a round: eight sums of 16 lanes, two of each.
__kernel void ceiling__fma(TENSOR(y), int rounds) {
  float16 s[8];
  for (int k = 0; k < 8; k++) s[k] = (float)(k + get_global_id(0));
  float16 a = 0.5f + 1e-9f * get_global_id(0);
  for (int i = 0; i < rounds; i++) {
#pragma unroll
    for (int k = 0; k < 8; k++) s[k] = fma(s[k], a, a);
#pragma unroll
    for (int k = 0; k < 8; k++) s[k] = fma(s[k], a, a);
  }
  F32(y)[get_global_id(0)] = sum16(s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7]);
}
