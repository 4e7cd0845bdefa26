// Pixels [C,Y,X] to patches [P,C*p*p]: a work-item writes one row of one channel of a patch. Traffic: the picture once.
__kernel GROUP(1) void patchify__row(TENSOR(pixels), TENSOR(y), int channels, int height, int width, int patch) {
  int across = width / patch;
  int row = get_global_id(0), p = get_global_id(1);  // row: c * patch + dy
  int c = row / patch, dy = row % patch;
  __global const float *x =
      F32(pixels) + ((ulong)c * height + p / across * patch + dy) * width + p % across * patch;
  __global float *y = F32(y) + ((ulong)p * channels * patch + row) * patch;
  for (int i = 0; i < patch; i++) y[i] = x[i];
}
