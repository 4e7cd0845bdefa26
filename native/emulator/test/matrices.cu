// One tile of each kind of matrix instruction, and of ldmatrix.

#include "cuda/kernel.cuh"
#include "test/kernels.h"

namespace {

// Fragments straight from global memory, by the layouts of the PTX ISA, 9.7.14.5: an element of BYTES bytes, a register of four.
template <int BYTES>
FOVEA_DEVICE void fragments(const MatrixParams &p, uint32_t (&a)[4], uint32_t (&b)[2]) {
  constexpr int K = 32 / BYTES, PER = 4 / BYTES;
  const auto *from_a = static_cast<const uint8_t *>(p.a);
  const auto *from_b = static_cast<const uint8_t *>(p.b);
  int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  for (int i = 0; i < 4; i++) {
    int row = i % 2 * 8 + g, column = i / 2 * (K / 2) + t * PER;
    a[i] = *reinterpret_cast<const uint32_t *>(from_a + (row * K + column) * BYTES);
  }
  for (int i = 0; i < 2; i++) {
    int row = i * (K / 2) + t * PER;
    b[i] = *reinterpret_cast<const uint32_t *>(from_b + (g * K + row) * BYTES);
  }
}

template <class Sum, class Multiply>
FOVEA_DEVICE void tile(const MatrixParams &p, const uint32_t (&a)[4], const uint32_t (&b)[2],
                       Multiply multiply) {
  auto *to = static_cast<Sum *>(p.d);
  int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  Sum d[4];
  for (int i = 0; i < 4; i++) d[i] = to[(g + i / 2 * 8) * 8 + t * 2 + i % 2];
  multiply(d, a, b);
  for (int i = 0; i < 4; i++) to[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}

}  // namespace

FOVEA_KERNEL(tile__f16, MatrixParams, 32) {
  uint32_t a[4], b[2];
  fragments<2>(p, a, b);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_f16(d, a, b); });
}

FOVEA_KERNEL(tile__bf16, MatrixParams, 32) {
  uint32_t a[4], b[2];
  fragments<2>(p, a, b);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_bf16(d, a, b); });
}

FOVEA_KERNEL(tile__tf32, MatrixParams, 32) {
  uint32_t a[4], b[2];
  fragments<4>(p, a, b);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_tf32(d, a, b); });
}

FOVEA_KERNEL(tile__s8, MatrixParams, 32) {
  uint32_t a[4], b[2];
  fragments<1>(p, a, b);
  tile<int>(p, a, b, [](auto &d, auto &a, auto &b) { mma_s8(d, a, b); });
}

// The same as tile__f16 with fragments by ldmatrix: a as it lies, b as it lies (columns are rows of the second).
FOVEA_KERNEL(tile__ldmatrix, MatrixParams, 32) {
  FOVEA_SHARED(uint4, rows, 16 * 2 + 8 * 2);
  int lane = static_cast<int>(threadIdx.x);
  rows[lane] = static_cast<const uint4 *>(p.a)[lane];
  if (lane < 16) rows[32 + lane] = static_cast<const uint4 *>(p.b)[lane];
  __syncwarp();
  uint32_t a[4], b[2];
  // Matrices top left, bottom left, top right, bottom right.
  ldmatrix_x4(a, &rows[(lane % 16) * 2 + lane / 16]);
  ldmatrix_x2(b, &rows[32 + lane % 8 * 2 + lane / 8 % 2]);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_f16(d, a, b); });
}

// b given as [K,8] row by row, so that ldmatrix has to transpose it; and a as [K,16].
FOVEA_KERNEL(tile__transposed, MatrixParams, 32) {
  FOVEA_SHARED(uint4, rows, 16 * 2 + 16);
  int lane = static_cast<int>(threadIdx.x);
  rows[lane] = static_cast<const uint4 *>(p.a)[lane];
  if (lane < 16) rows[32 + lane] = static_cast<const uint4 *>(p.b)[lane];
  __syncwarp();
  uint32_t a[4], b[2];
  // Of a^T [16 k][16 m]: k 0.. m 0.., k 0.. m 8.., k 8.. m 0.., k 8.. m 8...
  ldmatrix_x4_trans(a, &rows[(lane % 8 + lane / 16 * 8) * 2 + lane / 8 % 2]);
  ldmatrix_x2_trans(b, &rows[32 + lane % 16]);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_f16(d, a, b); });
}

// The same as tile__ldmatrix with the pieces of a in other places: piece c of row r in place c ^ (r / 4 % 2), so that eight rows
// lie in different banks. STORED: as they are stored; otherwise they are looked for where they would lie without.
template <bool STORED>
FOVEA_DEVICE void swizzled_tile(const MatrixParams &p, uint4 *rows) {
  int lane = static_cast<int>(threadIdx.x);
  rows[lane ^ (lane / 8 % 2)] = static_cast<const uint4 *>(p.a)[lane];
  if (lane < 16) rows[32 + lane] = static_cast<const uint4 *>(p.b)[lane];
  __syncwarp();
  uint32_t a[4], b[2];
  int row = lane % 16, piece = lane / 16;
  ldmatrix_x4(a, &rows[row * 2 + (STORED ? piece ^ (row / 4 % 2) : piece)]);
  ldmatrix_x2(b, &rows[32 + lane % 8 * 2 + lane / 8 % 2]);
  tile<float>(p, a, b, [](auto &d, auto &a, auto &b) { mma_f16(d, a, b); });
}

FOVEA_KERNEL(tile__swizzled, MatrixParams, 32) {
  FOVEA_SHARED(uint4, rows, 16 * 2 + 8 * 2);
  swizzled_tile<true>(p, rows);
}

FOVEA_KERNEL(tile__wrong_swizzle, MatrixParams, 32) {
  FOVEA_SHARED(uint4, rows, 16 * 2 + 8 * 2);
  swizzled_tile<false>(p, rows);
}

// What ldmatrix reads was never written; half of a warp multiplies.
FOVEA_KERNEL(tile__broken, MatrixParams, 32) {
  FOVEA_SHARED(uint4, rows, 32);
  uint32_t a[4], b[2] = {};
  int lane = static_cast<int>(threadIdx.x);
  if (p.b == nullptr) {
    ldmatrix_x4(a, &rows[lane]);
  } else {
    if (lane >= 16) return;
    for (auto &word : a) word = 0;
  }
  float d[4] = {};
  mma_f16(d, a, b);
  static_cast<float *>(p.d)[lane] = d[0];
}
