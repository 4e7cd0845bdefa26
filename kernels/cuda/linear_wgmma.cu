// y = f(x w^T + b) for f16 and bf16 weights and many rows of x, on devices of compute capability 9.0 and no other.
//
// Idea: a block makes tiles of 128 tokens by BO rows of weights, one after the other, 64 elements of the inner axis at a time
// from a ring in shared memory. Warps have one of two jobs. Of the first four one thread asks for copies (TMA, 128-byte
// swizzle), as far ahead as the ring reaches, also past the end of a tile; the other eight multiply, 64 tokens (the first operand)
// by BO rows a group of four with wgmma, which reads both operands from shared memory by itself. Each place of the ring has
// two barriers: `full` counts the bytes that have landed, `empty` the warps that have read. A step's product runs while the next
// one's begins, so a place is let go one step later. The warps that copy give their registers to those that multiply.
// x comes rounded to 16 bits by linear_x.cu. swiglu: the first half of a tile's rows are gate's, the second up's, so that one lane
// holds both sums of an element of y. Sums run along the inner axis in order, whatever the tile: a row's bits do not depend
// on the others.
// Tails: TMA brings zeros from behind the last row and the last element. Weights that it does not take, whose rows do not begin at
// multiples of 16 bytes, are copied to the same places by the four warps; what multiplies is the same code, so are the bits.
//
// Grid: as many blocks as multiprocessors, or as tiles if these are fewer. A block's tiles lie a grid apart; tiles of tokens of
// which none counts do not exist. Order: up to 16 tiles of tokens by all outputs, tokens first, so that what runs at a time shares
// weights and x in the second-level cache. Block: 12 warps. Shared memory: 213 KB, one block a multiprocessor.
// Epilogue: 32 rows of weights at a time through shared memory of its own, y, r and b in pieces of 128 bytes (swiglu: 64); the ring fills
// with the next tile meanwhile.
// Traffic: w (T/128) and x (outs/BO) times, second-level cache for all but the first: 48 KB for 4.2 MFLOP, 85 FLOP a byte.
// Predicted, not measured, on H200: that cache gives 6.5 to 7 TB/s, so 550 to 600 TFLOP/s from 2048 tokens and a width of 4096
// on (a step's products alone would take 1024 cycles, 800 TFLOP/s and more), 400 to 450 for 640 tokens, where the last wave is not full.
// The epilogue is not hidden behind products: a twelfth of the time at width 4096, a quarter at 1024. Next, if the cache is the
// bound indeed: two blocks of a cluster that share weights by multicast. Wins from 65 tokens on.

#include "cuda/linear_mma.cuh"

namespace {

template <LinearWeights W, int BO>
struct Gemm {
  static constexpr int BT = LINEAR_WGMMA_TOKENS, STAGES = linear_wgmma_stages(BO);
  static constexpr int X_BYTES = BT * 128, STAGE = X_BYTES + BO * 128;
  static constexpr int SLAB = LINEAR_WGMMA_SLAB;
  static_assert(STAGES * STAGE == LINEAR_WGMMA_RING);

  const LinearWgmmaParams &maps;
  const LinearParams &p;
  uint8_t *ring;
  uint64_t *full, *empty;
  bool gated;
  int live, outs, token_tiles, tiles;  // outs: outputs of y in a tile

  FOVEA_DEVICE Gemm(const LinearWgmmaParams &maps, uint8_t *ring, uint64_t *full, uint64_t *empty)
      : maps(maps), p(maps.linear), ring(ring), full(full), empty(empty) {
    gated = p.then == LINEAR_SWIGLU;
    outs = gated ? BO / 2 : BO;
  }

  FOVEA_DEVICE void run() {
    if (threadIdx.x == 0) {
      for (int i = 0; i < STAGES; i++) {
        mbarrier_init(&full[i], p.w_aligned ? 1 : 1 + 128);
        mbarrier_init(&empty[i], 8);
      }
      mbarrier_made();
      tensor_map_prefetch(&maps.x);
      if (p.w_aligned) tensor_map_prefetch(&maps.w);
      if (p.w_aligned && gated) tensor_map_prefetch(&maps.up);
    }
    pdl_wait();
    live = live_rows(p.rows);
    token_tiles = (live + BT - 1) / BT;
    tiles = token_tiles * ((p.outs + outs - 1) / outs);  // y, 64 KB a tile, lies in memory
    __syncthreads();
    if (threadIdx.x < 128) {
      registers_give<40>();
      copy();
    } else {
      registers_take<232>();
      multiply();
    }
  }

  struct Tile {
    int t0, o0;
  };

  FOVEA_DEVICE Tile tile(int i) const {
    int deep = LINEAR_WGMMA_GROUP * ((p.outs + outs - 1) / outs);
    int first = i / deep * LINEAR_WGMMA_GROUP, size = min(LINEAR_WGMMA_GROUP, token_tiles - first);
    return {(first + i % deep % size) * BT, i % deep / size * outs};
  }

  // The next place of the ring; `turn` changes each time round.
  FOVEA_DEVICE static void next(int &slot, int &turn) {
    if (++slot < STAGES) return;
    slot = 0;
    turn ^= 1;
  }

  FOVEA_DEVICE void copy() const {
    bool first = threadIdx.x == 0;
    if (p.w_aligned && !first) return;
    int slot = 0, turn = 0;
    for (int i = static_cast<int>(blockIdx.x); i < tiles; i += static_cast<int>(gridDim.x)) {
      Tile at = tile(i);
#pragma unroll 1
      for (int k = 0; k < p.width; k += 64) {
        mbarrier_wait(&empty[slot], turn ^ 1);
        uint8_t *x = ring + slot * STAGE, *w = x + X_BYTES;
        if (first) {
          mbarrier_expect(&full[slot], p.w_aligned ? STAGE : X_BYTES);
          tma_load_2d(x, &maps.x, k, at.t0, &full[slot]);
        }
        if (!p.w_aligned) {
          copy_unaligned(w, k, at.o0);
          async_fence();
          mbarrier_arrive(&full[slot]);
        } else {
          tma_load_2d(w, &maps.w, k, at.o0, &full[slot]);
          if (gated) tma_load_2d(w + BO / 2 * 128, &maps.up, k, at.o0, &full[slot]);
        }
        next(slot, turn);
      }
    }
  }

  FOVEA_DEVICE void copy_unaligned(uint8_t *to, int k, int o0) const {
    int chunk = static_cast<int>(threadIdx.x) % 8;
#pragma unroll 1
    for (int r = static_cast<int>(threadIdx.x) / 8; r < BO; r += 128 / 8) {
      bool second = gated && r >= BO / 2;
      int row = o0 + (second ? r - BO / 2 : r);
      auto *w = static_cast<const uint16_t *>(second ? p.up : p.w);
      int64_t from = int64_t{row} * p.width + k + chunk * 8;
      *reinterpret_cast<uint4 *>(to + r * 128 + (chunk ^ r % 8) * 16) =
          linear_eight(w + from, row < p.outs ? p.width - k - chunk * 8 : 0);
    }
  }

  FOVEA_DEVICE void multiply() const {
    int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32) - 4;
    float *slab = reinterpret_cast<float *>(ring + LINEAR_WGMMA_RING) + warp * 16 * SLAB;
    float sums[BO / 2];
    int slot = 0, turn = 0;
#pragma unroll 1
    for (int i = static_cast<int>(blockIdx.x); i < tiles; i += static_cast<int>(gridDim.x)) {
#pragma unroll
      for (int j = 0; j < BO / 2; j++) sums[j] = 0;
#pragma unroll 1
      for (int k = 0; k < p.width; k += 64) {
        mbarrier_wait(&full[slot], turn);
        const uint8_t *x = ring + slot * STAGE + warp / 4 * 64 * 128;
        const uint8_t *w = ring + slot * STAGE + X_BYTES;
        wgmma_fence();
#pragma unroll
        for (int e = 0; e < 64; e += 16) {
          if constexpr (W == LinearWeights::F16) {
            wgmma_f16<BO>(sums, wgmma_operand(x, e), wgmma_operand(w, e), true);
          } else {
            wgmma_bf16<BO>(sums, wgmma_operand(x, e), wgmma_operand(w, e), true);
          }
        }
        wgmma_commit();
        // The step before this one has been multiplied: its place is free.
        wgmma_wait<1>();
        if (k > 0 && lane == 0) mbarrier_arrive(&empty[slot == 0 ? STAGES - 1 : slot - 1]);
        next(slot, turn);
      }
      wgmma_wait<0>();
      if (lane == 0) mbarrier_arrive(&empty[slot == 0 ? STAGES - 1 : slot - 1]);

      // Per warp: 16 tokens by 32 rows of weights (swiglu: 16 of gate, then the same of up), a token's side by side.
      Tile at = tile(i);
#pragma unroll
      for (int c = 0; c < BO / 32; c++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
          const float *a = sums + (c * 4 + j) * 4;
          const float *b = sums + (j / 2 * (BO / 16) + c * 2 + j % 2) * 4;
          float *to = slab + lane / 4 * SLAB + j * 8 + lane % 4 * 2;
          *reinterpret_cast<float2 *>(to) = make_float2(gated ? b[0] : a[0], gated ? b[1] : a[1]);
          *reinterpret_cast<float2 *>(to + 8 * SLAB) =
              make_float2(gated ? b[2] : a[2], gated ? b[3] : a[3]);
        }
        __syncwarp();
        finish(slab, at.t0 + warp * 16, at.o0 + c * (gated ? 16 : 32));
        __syncwarp();
      }
    }
  }

  FOVEA_DEVICE void finish(const float *slab, int token, int out) const {
    int lane = static_cast<int>(threadIdx.x % 32);
    int columns = gated ? 16 : 32, column = lane % columns, o = out + column;
    for (int i = lane / columns; i < 16; i += 32 / columns) {
      int t = token + i;
      if (t < live && o < p.outs) {
        float scale = W == LinearWeights::F16 ? p.row_scales[t] : 1.f;
        float v = slab[i * SLAB + column] * scale;
        float u = gated ? slab[i * SLAB + column + 16] * scale : 0.f;
        linear_finish(p, t, o, v, u, 0);
      }
    }
  }
};

}  // namespace

#define KERNEL(name, W, BO)                                                         \
  FOVEA_KERNEL(name, LinearWgmmaParams, LINEAR_WGMMA_THREADS) {                     \
    using Tiles = Gemm<LinearWeights::W, BO>;                                       \
    FOVEA_SHARED_BYTES(unaligned);                                                  \
    FOVEA_SHARED(uint64_t, full, Tiles::STAGES);                                    \
    FOVEA_SHARED(uint64_t, empty, Tiles::STAGES);                                   \
    uint8_t *shared = unaligned + (1024 - shared_address(unaligned) % 1024) % 1024; \
    Tiles(p, shared, full, empty).run();                                            \
  }

KERNEL(linear_f16__wgmma256, F16, 256)
KERNEL(linear_f16__wgmma128, F16, 128)
KERNEL(linear_bf16__wgmma256, BF16, 256)
KERNEL(linear_bf16__wgmma128, BF16, 128)
