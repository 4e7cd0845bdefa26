// How fast a device computes at best, for comparing (dev.fovea.opencl.Probe): 256 multiply-adds a round, eight sums of 16 lanes, two of
// each, written so that the compiler cannot leave them out.
__kernel void ceiling_fma(TENSOR(y), int rounds) {
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
