// y = f(x w^T + b) for f16, bf16, q8_0, q4_0 and q4_g128 weights and few rows of x: decoding for several at once, where reading w is
// still most of the cost but dot products one by one would take more instructions than there is time for.
//
// Idea: a block makes 32 or 64 outputs (swiglu: half of gate and the same of up) for BT tokens. Its 8 warps share the inner
// axis: warp i takes pieces i, i+8, ... of 64 bytes of every row, so that at any time they read side by side; each has a ring
// of its own in shared memory that cp.async fills ahead, and no warp waits for another until the end, when their sums are added
// in order. Weights are the 16-row operand of m16n8k16 and are expanded in registers (see linear_mma.cuh); a lane reads its
// part of x from the second-level cache in the order in which linear_x.cu has laid it out, 16 bytes for two instructions. The
// first weights are asked for before the kernel waits for x.
// Sums do not depend on the number of tokens or outputs in a block: the same bits for 1 row of x and 64.
//
// Grid: x pieces of 32 outputs (64 from 17 tokens on; swiglu: half of that), y of 8, 16 or 32 tokens. Block: 8 warps.
// Shared memory: the rings, 64 KB or 96 KB.
// Traffic: w once (twice from 33 tokens on, the second time from the second-level cache), and from there also 2 BT bytes of x
// for each of a block's rows' elements: with q4_0 as much as w for 8 tokens, twice as much for 16 and 32. Expected, not
// measured: 75 % of the read bandwidth for 8 tokens, 50 % for 16, 40 % for 32; about two instructions per weight and lane of
// q4_0 for 8 tokens. Wins from 3 tokens on (from 1 for 16-bit weights), up to 64 where there are few outputs.

#include "cuda/linear_mma.cuh"

namespace {

template <LinearWeights W, int ROWS, int BT>
struct Skinny {
  static constexpr int WARPS = LINEAR_MMA16_WARPS, CHUNKS = 4;
  static constexpr bool BLOCKS = LinearTile<W>::BLOCKS, GROUPED = LinearBlocks<W>::GROUPED;
  static constexpr int DEEP = linear_mma16_deep(LinearTile<W>::BYTES);
  static constexpr int STAGES = ROWS == 32 ? 4 : 3, STAGE = ROWS * CHUNKS * 16;
  static constexpr int GROUPS = BT / 8;
  // A piece is worked on in parts, each one's x loaded while the one before is worked on: smaller ones in kernels that are
  // short of registers.
  static constexpr int PART = DEEP == 1 || BT > 8 ? 1 : 2, PARTS = DEEP / PART;
  // Floats from one token to the next, when the warps' sums are added.
  static constexpr int SLAB = ROWS + 4;
  static_assert(!GROUPED || DEEP == LinearBlocks<W>::SPAN);
  static_assert(DEEP * LinearTile<W>::BYTES == CHUNKS * 16 && BT * SLAB * 4 <= STAGES * STAGE);

  // Scales of the piece's blocks for rows 8i + lane/4, two to a word; or of the piece's only group, with its zero point.
  struct Scales {
    static constexpr int WORDS = GROUPED ? 1 : (DEEP + 1) / 2;
    uint32_t pair[ROWS / 8][WORDS];
    FOVEA_DEVICE float of(int i, int j) const {  // of block j of the part whose turn it is
      return f16_to_f32(static_cast<uint16_t>(pair[i][0] >> (GROUPED ? 0 : j * 16)));
    }
    FOVEA_DEVICE uint32_t off(int i) const {
      return linear_off<W>(static_cast<typename LinearBlocks<W>::Scale>(pair[i][0]));
    }
    FOVEA_DEVICE void next_part() {
#pragma unroll
      for (int i = 0; i < ROWS / 8; i++) {
        uint32_t last = pair[i][WORDS - 1];
        pair[i][0] = PART == 2 ? last : pair[i][0] >> 16 | (WORDS == 2 ? last << 16 : 0);
        if (PART == 1 && WORDS == 2) pair[i][1] = last >> 16;
      }
    }
  };

  const LinearParams &p;
  uint8_t *ring;                                 // this warp's
  int lane, warp, o0, t0, pieces, scales_width;  // of a row of scales
  // Rows lane/4 and 8 + lane/4 of the tile, and how far on the next two are; w points at this lane's chunk. For swiglu the
  // second one is up's.
  LinearRow first, second;
  int two_outs;
  int64_t row_bytes, two_rows_bytes, two_rows_scales;

  FOVEA_DEVICE Skinny(const LinearParams &p, uint8_t *shared)
      : p(p),
        lane(static_cast<int>(threadIdx.x % 32)),
        warp(static_cast<int>(threadIdx.x / 32)),
        t0(static_cast<int>(blockIdx.y) * BT),
        pieces((p.width + DEEP * 32 - 1) / (DEEP * 32)),
        scales_width(p.width / (32 * LinearBlocks<W>::SPAN)) {
    ring = shared + warp * STAGES * STAGE;
    bool gated = linear_gated(p);
    int outs = gated ? ROWS / 2 : ROWS;
    o0 = linear_first(p, static_cast<int>(blockIdx.x), outs);
    row_bytes = BLOCKS ? int64_t{p.width} / 32 * LinearTile<W>::BYTES : int64_t{p.width} * 2;
    two_outs = gated ? 8 : 16;
    int two_rows = two_outs * linear_row_step(p);
    two_rows_bytes = two_rows * row_bytes;
    two_rows_scales = int64_t{two_rows} * scales_width;
    first = row_at(lane / 4);
    second = row_at(lane / 4 + 8);
  }

  FOVEA_DEVICE LinearRow row_at(int r) const {
    LinearRow row = linear_row(p, head(), o0, r);
    row.w += row.row * row_bytes + lane % 4 * 16;
    if (BLOCKS) row.scales = LinearBlocks<W>::row(row.scales, row.row, p.width);
    return row;
  }

  // Found anew where it is needed: one register less in the loop.
  FOVEA_DEVICE int head() const {
    return linear_head(p, static_cast<int>(blockIdx.x), linear_gated(p) ? ROWS / 2 : ROWS);
  }

  FOVEA_DEVICE void copy(int piece, int slot) const {
    int64_t along = int64_t{piece} * CHUNKS * 16, left = row_bytes - along - lane % 4 * 16;
#pragma unroll
    for (int i = 0; i < ROWS / 8; i++) {
      const LinearRow &r = i % 2 ? second : first;
      bool valid = r.out + i / 2 * two_outs < p.outs && left > 0;
      const uint8_t *from = r.w + i / 2 * two_rows_bytes + along;
      uint8_t *to = ring + slot * STAGE + linear_place<CHUNKS>(i * 8 + lane / 4, lane % 4);
      if (BLOCKS || p.w_aligned) {
        cp_async16(to, from, valid);
      } else {
        *reinterpret_cast<uint4 *>(to) =
            linear_eight(reinterpret_cast<const uint16_t *>(from),
                         valid ? static_cast<int>(min(left, int64_t{16}) / 2) : 0);
      }
    }
  }

  // What this lane holds of 32 elements of the piece's x.
  FOVEA_DEVICE void load_x(uint4 (&to)[GROUPS], int piece, int k) const {
    auto *x = reinterpret_cast<const uint4 *>(p.operand);
#pragma unroll
    for (int n = 0; n < GROUPS; n++)
      to[n] = x[(int64_t{t0 / 8 + n} * (p.operand_width / 32) + piece * DEEP + k) * 32 + lane];
  }

  FOVEA_DEVICE void load_scales(Scales &to, int piece) const {
#pragma unroll
    for (int i = 0; i < ROWS / 8; i++) {
      const LinearRow &r = i % 2 ? second : first;
      bool valid = r.out + i / 2 * two_outs < p.outs;
      if constexpr (GROUPED) {
        const uint32_t *from = static_cast<const uint32_t *>(r.scales) + i / 2 * two_rows_scales;
        to.pair[i][0] = valid ? from[piece] : 0u;
        continue;
      }
      const uint16_t *from =
          static_cast<const uint16_t *>(r.scales) + i / 2 * two_rows_scales + piece * DEEP;
      uint2 pairs = make_uint2(0, 0);
      if (valid) {
        if (!p.scales_aligned) {
          uint32_t d[4] = {};
#pragma unroll
          for (int k = 0; k < DEEP; k++)
            if (piece * DEEP + k < scales_width) d[k] = from[k];
          pairs = make_uint2(d[0] | d[1] << 16, d[2] | d[3] << 16);
        } else if (DEEP == 4) {
          pairs = *reinterpret_cast<const uint2 *>(from);
        } else {
          pairs.x = *reinterpret_cast<const uint32_t *>(from);
        }
      }
      to.pair[i][0] = pairs.x;
      if (DEEP == 4) to.pair[i][Scales::WORDS - 1] = pairs.y;
    }
  }

  FOVEA_DEVICE void run(uint8_t *shared) {
    float sums[ROWS / 16][GROUPS][4] = {};
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
      if (warp + s * WARPS < pieces) copy(warp + s * WARPS, s);
      cp_async_commit();
    }
    pdl_launch();
    pdl_wait();
    int live = live_rows(p.rows);
    if (t0 >= live) {
      cp_async_wait<0>();
      return;
    }

    uint4 x[PART][GROUPS];
    Scales scales{};
#pragma unroll
    for (int k = 0; k < PART; k++)
      if (warp < pieces) load_x(x[k], warp, k);
    if (BLOCKS && warp < pieces) load_scales(scales, warp);
    int slot = 0;
#pragma unroll 1
    for (int piece = warp; piece < pieces; piece += WARPS) {
      bool more = piece + WARPS < pieces;
      Scales next_scales{};
      if (BLOCKS && more) load_scales(next_scales, piece + WARPS);
      cp_async_wait<STAGES - 2>();
      __syncwarp();
      // The warp is done with the piece before: its place is free.
      int ahead = piece + (STAGES - 1) * WARPS;
      if (ahead < pieces) copy(ahead, slot == 0 ? STAGES - 1 : slot - 1);
      cp_async_commit();
      const uint8_t *tile = ring + slot * STAGE;
#pragma unroll(BT == 8 ? PARTS : 1)  // or the compiler begins more than it has registers for
      for (int part = 0; part < PARTS; part++) {
#pragma unroll
        for (int j = 0; j < PART; j++) {
#pragma unroll
          for (int m = 0; m < ROWS / 16; m++) {
            uint32_t a[2][4];
            linear_fragments<W, CHUNKS>(a, tile, m * 16, part * PART + j, scales.off(m * 2),
                                        scales.off(m * 2 + 1));
            float scale0 = BLOCKS ? scales.of(m * 2, j) : 0.f;
            float scale1 = BLOCKS ? scales.of(m * 2 + 1, j) : 0.f;
#pragma unroll
            for (int n = 0; n < GROUPS; n++) {
              uint32_t b[2][2] = {{x[j][n].x, x[j][n].y}, {x[j][n].z, x[j][n].w}};
              linear_multiply<W>(sums[m][n], a, b, scale0, scale1);
            }
          }
          if (part + 1 < PARTS) {
            load_x(x[j], piece, (part + 1) * PART + j);
          } else if (more) {
            load_x(x[j], piece + WARPS, j);
          }
        }
        if (BLOCKS && !GROUPED) scales.next_part();
      }
      scales = next_scales;
      slot = slot == STAGES - 1 ? 0 : slot + 1;
    }
    __syncthreads();

    // A warp's sums: a token's rows side by side.
    auto *all = reinterpret_cast<float *>(shared);
    float *mine = all + warp * BT * SLAB;
#pragma unroll
    for (int m = 0; m < ROWS / 16; m++) {
#pragma unroll
      for (int n = 0; n < GROUPS; n++) {
        float *at = mine + (n * 8 + lane % 4 * 2) * SLAB + m * 16 + lane / 4;
        at[0] = sums[m][n][0];
        at[SLAB] = sums[m][n][1];
        at[8] = sums[m][n][2];
        at[SLAB + 8] = sums[m][n][3];
      }
    }
    __syncthreads();

    bool gated = linear_gated(p);
    int outs = gated ? ROWS / 2 : ROWS;
    for (int i = static_cast<int>(threadIdx.x); i < BT * outs; i += WARPS * 32) {
      int r = i % outs, t = t0 + i / outs, o = o0 + r;
      if (t < live && o < p.outs) {
        const float *from = all + i / outs * SLAB + (gated ? r / 8 * 16 + r % 8 : r);
        float v = 0, u = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
          v += from[w * BT * SLAB];
          if (gated) u += from[w * BT * SLAB + 8];
        }
        float scale = W == LinearWeights::F16 ? p.row_scales[t] : 1.f;
        linear_finish(p, t, o, v * scale, u * scale, head());
      }
    }
  }
};

}  // namespace

#define KERNEL(name, W, ROWS, BT, BLOCKS)                      \
  FOVEA_KERNEL_BLOCKS(name, LinearParams, 256, BLOCKS) {       \
    FOVEA_SHARED_BYTES(shared);                                \
    Skinny<LinearWeights::W, ROWS, BT>(p, shared).run(shared); \
  }

KERNEL(linear_f16__mma8, F16, 32, 8, 2)
KERNEL(linear_f16__mma16, F16, 32, 16, 2)
KERNEL(linear_f16__mma32, F16, 64, 32, 1)
KERNEL(linear_bf16__mma8, BF16, 32, 8, 2)
KERNEL(linear_bf16__mma16, BF16, 32, 16, 2)
KERNEL(linear_bf16__mma32, BF16, 64, 32, 1)
KERNEL(linear_q8_0__mma8, Q8_0, 32, 8, 2)
KERNEL(linear_q8_0__mma16, Q8_0, 32, 16, 2)
KERNEL(linear_q8_0__mma32, Q8_0, 64, 32, 1)
KERNEL(linear_q4_0__mma8, Q4_0, 32, 8, 2)
KERNEL(linear_q4_0__mma16, Q4_0, 32, 16, 2)
KERNEL(linear_q4_0__mma32, Q4_0, 64, 32, 1)
KERNEL(linear_q4_g128__mma8, Q4_G128, 32, 8, 2)
KERNEL(linear_q4_g128__mma16, Q4_G128, 32, 16, 2)
KERNEL(linear_q4_g128__mma32, Q4_G128, 64, 32, 1)
