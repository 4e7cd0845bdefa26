// Weights as the matrix units take them: the 16 rows of m16n8k16's first operand, tokens being the 8 columns of the second.
//
// Tiles of weights lie in shared memory as they lie in global memory, a row's bytes of 32 elements (or a multiple) side by
// side, in chunks of 16 bytes. Chunk c of row r lies at place c ^ swizzle(r), so that eight rows' chunks c, which a matrix load
// reads at once, fall into different banks.
#pragma once

#include "cuda/linear.cuh"

template <LinearWeights W>
struct LinearTile {
  static constexpr bool BLOCKS = LinearBlocks<W>::ANY;
  // Bytes of 32 elements of a row, without the scale.
  static constexpr int BYTES = BLOCKS ? LinearBlocks<W>::BYTES : 64;
};

// Where chunk c of row r lies in a tile of rows of CHUNKS chunks, in bytes.
template <int CHUNKS>
FOVEA_DEVICE constexpr int linear_place(int r, int c) {
  static_assert(CHUNKS == 1 || CHUNKS == 2 || CHUNKS == 4);
  int swizzle = CHUNKS == 4 ? r / 2 % 4 : CHUNKS == 2 ? r / 4 % 2 : 0;
  return (r * CHUNKS + (c ^ swizzle)) * 16;
}

// Whether eight rows' chunks c lie in banks of their own.
template <int CHUNKS>
FOVEA_DEVICE constexpr bool linear_spread(int c) {
  int seen = 0;
  for (int r = 0; r < 8; r++) seen |= 1 << linear_place<CHUNKS>(r, c) / 16 % 8;
  return seen == 255;
}
static_assert(linear_spread<1>(0) && linear_spread<2>(0) && linear_spread<2>(1) &&
              linear_spread<4>(0) && linear_spread<4>(1) && linear_spread<4>(2) &&
              linear_spread<4>(3));

// Row r of a tile that starts at output o0, perhaps behind the last. For pairs eight first rows and the eight second ones take
// turns: a lane then holds both sums. Rows 16 apart are of the same matrix.
FOVEA_DEVICE LinearRow linear_row(const LinearParams &p, int head, int o0, int r) {
  bool gated = linear_gated(p);
  return linear_row_of(p, head, o0 + (gated ? r / 16 * 8 + r % 8 : r), gated && r / 8 % 2);
}

// The first `count` of eight 16-bit weights at any address, then zeros.
FOVEA_DEVICE uint4 linear_eight(const uint16_t *from, int count) {
  uint32_t v[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    uint32_t a = 2 * i < count ? from[2 * i] : 0u;
    uint32_t b = 2 * i + 1 < count ? from[2 * i + 1] : 0u;
    v[i] = a | b << 16;
  }
  return make_uint4(v[0], v[1], v[2], v[3]);
}

// Bytes 0 and 2, then 1 and 3, of a word of q8_0 as pairs of bf16: q + 128 becomes the low byte of 2^23 + q + 128, an exact float;
// less 2^23 + 128 it is q, whose float has zeros below its upper half.
FOVEA_DEVICE void linear_expand8(uint32_t word, uint32_t &even, uint32_t &odd) {
  uint32_t u = word ^ 0x80808080u;
  uint32_t f[4];
#pragma unroll
  for (uint32_t i = 0; i < 4; i++)
    f[i] = __float_as_uint(__uint_as_float(prmt(u, 0x4b000000u, 0x7440u + i)) - 8388736.f);
  even = prmt(f[0], f[2], 0x7632u);
  odd = prmt(f[1], f[3], 0x7632u);
}

// Nibbles at `shift` of bytes 0 and 2 of a word of q4_0 as a pair of bf16: 0x4300 | q is 128 + q; with 136 taken off it is q - 8, with
// 128 + z it is q - z. off: -136 or -(128 + z), twice.
FOVEA_DEVICE uint32_t linear_expand4(uint32_t word, int shift, uint32_t off) {
  uint32_t v = lop3<(0xf0 & 0xcc) | 0xaa>(word >> shift, 0x000f000fu, 0x43004300u);
  return bf16x2_fma(v, 0x3f803f80u, off);
}

// -(128 + z) as a pair of bf16, z the zero point of a scale.
template <LinearWeights W>
FOVEA_DEVICE uint32_t linear_off(typename LinearBlocks<W>::Scale scale) {
  return LinearBlocks<W>::GROUPED ? prmt(scale, 0, 0x3232u) | 0xc300c300u : 0xc308c308u;
}

// The operands of 16 rows from `row` on and elements 32k .. 32k+31 of a tile, for two instructions. Quantized weights come
// without their scales, in the order that linear_x.cu calls picked. off: of rows g and g+8, for four bits; see linear_off.
template <LinearWeights W, int CHUNKS>
FOVEA_DEVICE void linear_fragments(uint32_t (&a)[2][4], const uint8_t *tile, int row, int k,
                                   uint32_t off0, uint32_t off1) {
  int lane = static_cast<int>(threadIdx.x % 32);
  int r = row + lane % 16, half = lane / 16;
  if constexpr (LinearBlocks<W>::ANY && LinearBlocks<W>::FOUR) {
    uint32_t w[2], off[2] = {off0, off1};
    ldmatrix_x2(w, tile + linear_place<CHUNKS>(r, k));
#pragma unroll
    for (int i = 0; i < 2; i++) {
      a[0][i] = linear_expand4(w[i], 0, off[i]);
      a[0][i + 2] = linear_expand4(w[i], 8, off[i]);
      a[1][i] = linear_expand4(w[i], 4, off[i]);
      a[1][i + 2] = linear_expand4(w[i], 12, off[i]);
    }
  } else if constexpr (W == LinearWeights::Q8_0) {
    uint32_t w[4];
    ldmatrix_x4(w, tile + linear_place<CHUNKS>(r, k * 2 + half));
#pragma unroll
    for (int i = 0; i < 4; i++) linear_expand8(w[i], a[i / 2][i % 2], a[i / 2][i % 2 + 2]);
  } else {
    ldmatrix_x4(a[0], tile + linear_place<CHUNKS>(r, k * 4 + half));
    ldmatrix_x4(a[1], tile + linear_place<CHUNKS>(r, k * 4 + 2 + half));
  }
}

// sums += a b over 32 elements. scale0, scale1: of rows g and g+8, for quantized weights, whose products of a block are added
// up before they meet their scale.
template <LinearWeights W>
FOVEA_DEVICE void linear_multiply(float (&sums)[4], const uint32_t (&a)[2][4],
                                  const uint32_t (&b)[2][2], float scale0, float scale1) {
  if constexpr (W == LinearWeights::F16) {
    mma_f16(sums, a[0], b[0]);
    mma_f16(sums, a[1], b[1]);
  } else if constexpr (W == LinearWeights::BF16) {
    mma_bf16(sums, a[0], b[0]);
    mma_bf16(sums, a[1], b[1]);
  } else {
    float block[4] = {};
    mma_bf16(block, a[0], b[0]);
    mma_bf16(block, a[1], b[1]);
    sums[0] = fmaf(scale0, block[0], sums[0]);
    sums[1] = fmaf(scale0, block[1], sums[1]);
    sums[2] = fmaf(scale1, block[2], sums[2]);
    sums[3] = fmaf(scale1, block[3], sums[3]);
  }
}
