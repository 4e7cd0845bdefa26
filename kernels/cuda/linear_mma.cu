// y = f(x w^T + b) for f16, bf16, q8_0, q4_0 and q4_g128 weights and many rows of x: prompts, pictures.
//
// Idea: a block makes a tile of BO outputs by BT tokens, 32 elements of the inner axis at a time, from a ring of STAGES tiles in
// shared memory that cp.async fills ahead. A warp makes WO by WT of it with m16n8k16, weights first (see linear_mma.cuh), tokens
// second: x comes rounded to 16 bits by linear_x.cu. Quantized weights lie in the ring as they are stored, four or two times
// smaller than x's tile, and are expanded in registers; whole-number weights are exact in bf16 and a block's scale multiplies
// its sum of 32 products, so only x is rounded. Sums run along the inner axis in order: the same bits whatever the tile, the
// token's place or the other tokens.
// Tails: rows behind the end, tokens that do not count and elements behind the row's end are zeros in shared memory. Weights
// whose rows do not begin at multiples of 16 bytes are copied element by element.
//
// Tiles: 128 by 128, 128 outputs by 64 tokens for quantized weights (whose expansion needs registers), 64 by 64 where there
// are too few of those for all multiprocessors.
//
// Grid: x tiles of tokens, y tiles of outputs: the blocks that share weights run side by side. Block: 4 warps, 2 by 2.
// Shared memory: the ring, 64 KB, 34 KB (q8_0), 26 KB (four bits); small tiles 32, 25 and 21 KB.
// Epilogue: 16 outputs at a time through shared memory, so that y, r and b are met in pieces of 64 bytes.
// Traffic: w (T/BT) and x (O/BO) times, second-level cache for all but the first. Expected, not measured: 350-420 TFLOP/s on
// H200 from 2048 tokens on (mma.sync gives about 490 there), 150-200 on A100. Wins from 65 tokens on, except where
// linear_wgmma.cu runs; any number of tokens and outputs will do.

#include "cuda/linear_mma.cuh"

namespace {

template <LinearWeights W, int BO, int BT>
struct Gemm {
  static constexpr int WO = BO / 2, WT = BT / 2, THREADS = 128, STAGES = LINEAR_MMA_STAGES;
  static constexpr int CHUNKS = LinearTile<W>::BYTES / 16;
  static constexpr bool BLOCKS = LinearTile<W>::BLOCKS;
  static constexpr bool GROUPED = LinearBlocks<W>::GROUPED;
  using Scale = typename LinearBlocks<W>::Scale;
  static constexpr int W_BYTES = BO * CHUNKS * 16, X_BYTES = BT * 64;
  static constexpr int STAGE = linear_mma_stage(BO, BT, LinearTile<W>::BYTES, BLOCKS);
  static constexpr int COPIES_W = (BO * CHUNKS + THREADS - 1) / THREADS,
                       COPIES_X = BT * 4 / THREADS;
  static constexpr int SLAB = 20;  // floats from one token of the epilogue's piece to the next
  static_assert(STAGE % 128 == 0 && 4 * WT * SLAB * 4 <= STAGES * STAGE && BO <= THREADS);

  // A thread copies one chunk in each group of so many rows.
  static constexpr int W_ROWS = THREADS / CHUNKS, X_ROWS = THREADS / 4;

  const LinearParams &p;
  uint8_t *shared;
  int live, t0, o0, steps;
  // This thread's first chunk of weights and of x: from where, how far on the next, what row, and to where.
  const uint8_t *w, *x;
  int64_t w_step, x_step;
  int w_out, w_out_step, w_to, x_row, x_to;
  const Scale *scales;

  FOVEA_DEVICE Gemm(const LinearParams &p, uint8_t *shared, int live)
      : p(p), shared(shared), live(live) {
    int thread = static_cast<int>(threadIdx.x);
    bool gated = linear_gated(p);
    t0 = static_cast<int>(blockIdx.x) * BT;
    o0 = linear_first(p, static_cast<int>(blockIdx.y), gated ? BO / 2 : BO);
    steps = (p.width + 31) / 32;
    LinearRow row = linear_row(p, head(), o0, thread / CHUNKS);
    int64_t bytes = BLOCKS ? int64_t{p.width} / 32 * LinearTile<W>::BYTES : int64_t{p.width} * 2;
    w_out = row.out;
    w_out_step = gated ? W_ROWS / 2 : W_ROWS;
    w_step = w_out_step * linear_row_step(p) * bytes;
    w = row.w + row.row * bytes + thread % CHUNKS * 16;
    w_to = linear_place<CHUNKS>(thread / CHUNKS, thread % CHUNKS);
    x_row = t0 + thread / 4;
    x_step = int64_t{X_ROWS} * p.operand_width * 2;
    x = reinterpret_cast<const uint8_t *>(p.operand) + int64_t{x_row} * p.operand_width * 2 +
        thread % 4 * 16;
    x_to = W_BYTES + linear_place<4>(thread / 4, thread % 4);
    LinearRow mine = linear_row(p, head(), o0, thread);
    scales = BLOCKS && thread < BO && mine.out < p.outs
                 ? LinearBlocks<W>::row(mine.scales, mine.row, p.width)
                 : nullptr;
  }

  FOVEA_DEVICE uint8_t *stage(int slot) const { return shared + slot * STAGE; }

  // Found anew where it is needed: one register less in the loop.
  FOVEA_DEVICE int head() const {
    return linear_head(p, static_cast<int>(blockIdx.y), linear_gated(p) ? BO / 2 : BO);
  }

  // Asks for everything of step s but the scales.
  FOVEA_DEVICE void copy(int s, int slot) const {
    uint8_t *to = stage(slot);
#pragma unroll
    for (int i = 0; i < COPIES_W; i++) {
      if (BO < W_ROWS && static_cast<int>(threadIdx.x) >= BO * CHUNKS) break;
      uint8_t *at = to + w_to + i * W_ROWS * CHUNKS * 16;
      bool valid = w_out + i * w_out_step < p.outs;
      const uint8_t *from = w + i * w_step + int64_t{s} * LinearTile<W>::BYTES;
      if constexpr (BLOCKS) {
        cp_async16(at, from, valid);
      } else {
        int left = p.width - s * 32 - static_cast<int>(threadIdx.x) % CHUNKS * 8;
        if (p.w_aligned) {
          cp_async16(at, from, valid && left > 0);
        } else {
          *reinterpret_cast<uint4 *>(at) =
              linear_eight(reinterpret_cast<const uint16_t *>(from), valid ? left : 0);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < COPIES_X; i++)
      cp_async16(to + x_to + i * X_ROWS * 64, x + i * x_step + int64_t{s} * 64,
                 x_row + i * X_ROWS < live);
  }

  // A thread's one scale of step s; they go through a register because a row's scales do not come in pieces that cp.async takes.
  FOVEA_DEVICE uint32_t scale(int s) const {
    if (!scales || s >= steps) return 0;
    Scale d = scales[s / LinearBlocks<W>::SPAN];
    return GROUPED ? d : __float_as_uint(LinearBlocks<W>::scale(d));
  }
  FOVEA_DEVICE void keep(uint32_t v, int slot) const {
    if (threadIdx.x < BO)
      reinterpret_cast<uint32_t *>(stage(slot) + W_BYTES + X_BYTES)[threadIdx.x] = v;
  }

  FOVEA_DEVICE void run() {
    int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    int wo = warp % 2 * WO, wt = warp / 2 * WT;
    float sums[WO / 16][WT / 8][4] = {};

#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
      if (s < steps) copy(s, s);
      cp_async_commit();
      if (BLOCKS && s < STAGES - 2) keep(scale(s), s);
    }
    uint32_t next_scale = BLOCKS ? scale(STAGES - 2) : 0u;

    int slot = 0;
#pragma unroll 1
    for (int s = 0; s < steps; s++) {
      cp_async_wait<STAGES - 2>();
      __syncthreads();
      // Everyone is done with step s-1: its place is free.
      int free = slot == 0 ? STAGES - 1 : slot - 1;
      if (s + STAGES - 1 < steps) copy(s + STAGES - 1, free);
      cp_async_commit();
      if (BLOCKS) {
        keep(next_scale, free == 0 ? STAGES - 1 : free - 1);
        next_scale = scale(s + STAGES - 1);
      }

      const uint8_t *w = stage(slot), *x = w + W_BYTES;
      auto *scales = reinterpret_cast<const uint32_t *>(x + X_BYTES);
      uint32_t a[WO / 16][2][4];
      float factors[WO / 16][2];
#pragma unroll
      for (int m = 0; m < WO / 16; m++) {
        uint32_t off[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
          uint32_t kept = BLOCKS ? scales[wo + m * 16 + lane / 4 + i * 8] : 0u;
          factors[m][i] =
              GROUPED ? LinearBlocks<W>::scale(static_cast<Scale>(kept)) : __uint_as_float(kept);
          off[i] = linear_off<W>(static_cast<Scale>(kept));
        }
        linear_fragments<W, CHUNKS>(a[m], w, wo + m * 16, 0, off[0], off[1]);
      }
#pragma unroll
      for (int n = 0; n < WT / 8; n++) {
        uint32_t r[4];
        ldmatrix_x4(r, x + linear_place<4>(wt + n * 8 + lane % 8, lane / 8));
        uint32_t b[2][2] = {{r[0], r[1]}, {r[2], r[3]}};
#pragma unroll
        for (int m = 0; m < WO / 16; m++)
          linear_multiply<W>(sums[m][n], a[m], b, factors[m][0], factors[m][1]);
      }
      slot = slot == STAGES - 1 ? 0 : slot + 1;
    }
    __syncthreads();

    // Per warp: 16 rows of the tile by WT tokens, a token's rows side by side.
    float *slab = reinterpret_cast<float *>(shared) + warp * WT * SLAB;
#pragma unroll
    for (int m = 0; m < WO / 16; m++) {
#pragma unroll
      for (int n = 0; n < WT / 8; n++) {
        float *at = slab + (n * 8 + lane % 4 * 2) * SLAB + lane / 4;
        at[0] = sums[m][n][0];
        at[SLAB] = sums[m][n][1];
        at[8] = sums[m][n][2];
        at[SLAB + 8] = sums[m][n][3];
      }
      __syncwarp();
      finish(slab, wo + m * 16, wt);
      __syncwarp();
    }
  }

  FOVEA_DEVICE void finish(const float *slab, int row, int wt) const {
    int lane = static_cast<int>(threadIdx.x % 32);
    bool gated = linear_gated(p);
    int outs = gated ? 8 : 16;
    int o = o0 + (gated ? row / 2 : row) + lane % outs;
    for (int i = lane / outs; i < WT; i += 32 / outs) {
      int t = t0 + wt + i;
      if (t < live && o < p.outs) {
        float scale = W == LinearWeights::F16 ? p.row_scales[t] : 1.f;
        float v = slab[i * SLAB + lane % outs] * scale;
        float u = gated ? slab[i * SLAB + 8 + lane % outs] * scale : 0.f;
        linear_finish(p, t, o, v, u, head());
      }
    }
  }
};

}  // namespace

#define KERNEL(name, W, BO, BT, BLOCKS)                      \
  FOVEA_KERNEL_BLOCKS(name, LinearParams, 128, BLOCKS) {     \
    FOVEA_SHARED_BYTES(shared);                              \
    int live = live_rows(p.rows);                            \
    if (static_cast<int>(blockIdx.x) * (BT) >= live) return; \
    Gemm<LinearWeights::W, BO, BT>(p, shared, live).run();   \
  }

KERNEL(linear_f16__mma128, F16, LINEAR_MMA_BIG_OUTS, LINEAR_MMA_BIG_TOKENS, 2)
KERNEL(linear_f16__mma64, F16, LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, 4)
KERNEL(linear_bf16__mma128, BF16, LINEAR_MMA_BIG_OUTS, LINEAR_MMA_BIG_TOKENS, 2)
KERNEL(linear_bf16__mma64, BF16, LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, 4)
KERNEL(linear_q8_0__mma128, Q8_0, LINEAR_MMA_BIG_OUTS, LINEAR_MMA_BIG_TOKENS_BLOCKS, 2)
KERNEL(linear_q8_0__mma64, Q8_0, LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, 4)
KERNEL(linear_q4_0__mma128, Q4_0, LINEAR_MMA_BIG_OUTS, LINEAR_MMA_BIG_TOKENS_BLOCKS, 2)
KERNEL(linear_q4_0__mma64, Q4_0, LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, 4)
KERNEL(linear_q4_g128__mma128, Q4_G128, LINEAR_MMA_BIG_OUTS, LINEAR_MMA_BIG_TOKENS_BLOCKS, 2)
KERNEL(linear_q4_g128__mma64, Q4_G128, LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, 4)
