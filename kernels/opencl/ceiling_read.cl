// How fast a device reads at best, for comparing (dev.fovea.opencl.Probe): every work-item reads `lines` of 64 bytes, side by side with
// the others of its group, and writes what the compiler must not leave out.
__kernel void ceiling_read(TENSOR(x), TENSOR(y), int lines) {
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
