// y = f(x w^T + b) for f16 and bf16 weights and many rows of x, on devices of compute capability 9.0 and no other.
//
// Idea: a block makes 128 tokens by BO outputs, 64 elements of the inner axis at a time, from a ring of tiles in shared memory
// that cp.async fills ahead in the order that 128-byte swizzle asks for. Each of its two groups of four warps multiplies 64
// tokens, the first operand, by all BO weights with wgmma, which reads both from shared memory by itself; one step's product
// runs while the next step's begins and the copies are issued. x comes rounded to 16 bits by linear_x.cu. Sums run along the
// inner axis in order, whatever the tile: a row's bits do not depend on the others.
// Copies by all threads instead of TMA: 12 a thread and step beside 1024 cycles of multiplication, and no tensor maps to make
// for every weight. What that costs is to be measured.
//
// Grid: x tiles of tokens, y of outputs. Block: 8 warps. Shared memory: 192 KB, one block a multiprocessor.
// Epilogue: 32 outputs at a time through shared memory, y, r and b in pieces of 128 bytes (swiglu: 64).
// Traffic: as linear_mma.cu's. Expected, not measured: 500-600 TFLOP/s on H200 from 2048 tokens on, 400 for 640. Wins from 65
// tokens on.

#include "cuda/linear_mma.cuh"

namespace {

template <LinearWeights W, int BO>
struct Gemm {
  static constexpr int BT = LINEAR_WGMMA_TOKENS, THREADS = 256, STAGES = linear_wgmma_stages(BO);
  static constexpr int X_BYTES = BT * 128, STAGE = X_BYTES + BO * 128;
  // A thread copies one chunk of 16 bytes in each group of so many rows.
  static constexpr int ROWS = THREADS / 8;
  static constexpr int SLAB = 40;  // floats from one token to the next in the epilogue
  static_assert(STAGES * STAGE + 1024 == LINEAR_WGMMA_SHARED &&
                8 * 16 * SLAB * 4 <= STAGES * STAGE);

  const LinearParams &p;
  uint8_t *shared;
  int live, t0, o0, steps;
  // This thread's first chunk of weights and of x, how far on the next is, in what row, and its place in a tile.
  const uint8_t *w, *x;
  int64_t w_step, x_step;
  int w_out, w_out_step, x_row, to;

  FOVEA_DEVICE Gemm(const LinearParams &p, uint8_t *shared, int live)
      : p(p), shared(shared), live(live) {
    int first = static_cast<int>(threadIdx.x) / 8, chunk = static_cast<int>(threadIdx.x) % 8;
    bool gated = linear_gated(p);
    t0 = static_cast<int>(blockIdx.x) * BT;
    o0 = linear_first(p, static_cast<int>(blockIdx.y), gated ? BO / 2 : BO);
    steps = (p.width + 63) / 64;
    LinearRow row = linear_row(p, head(), o0, first);
    w_out = row.out;
    w_out_step = gated ? ROWS / 2 : ROWS;
    w = row.w + (row.row * p.width + chunk * 8) * 2;
    w_step = int64_t{w_out_step} * linear_row_step(p) * p.width * 2;
    x_row = t0 + first;
    x = reinterpret_cast<const uint8_t *>(p.operand + int64_t{x_row} * p.operand_width + chunk * 8);
    x_step = int64_t{ROWS} * p.operand_width * 2;
    to = first * 128 + (chunk ^ first % 8) * 16;
  }

  FOVEA_DEVICE uint8_t *stage(int slot) const { return shared + slot * STAGE; }

  // Found anew where it is needed: one register less in the loop.
  FOVEA_DEVICE int head() const {
    return linear_head(p, static_cast<int>(blockIdx.y), linear_gated(p) ? BO / 2 : BO);
  }

  FOVEA_DEVICE void copy(int s, int slot) const {
    uint8_t *at = stage(slot) + to;
    int64_t along = int64_t{s} * 128;
#pragma unroll
    for (int i = 0; i < BT / ROWS; i++)
      cp_async16(at + i * ROWS * 128, x + i * x_step + along, x_row + i * ROWS < live);
    int left = p.width - s * 64 - static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
    for (int i = 0; i < BO / ROWS; i++) {
      bool valid = w_out + i * w_out_step < p.outs;
      const uint8_t *from = w + i * w_step + along;
      uint8_t *place = at + X_BYTES + i * ROWS * 128;
      if (p.w_aligned) {
        cp_async16(place, from, valid && left > 0);
      } else {
        *reinterpret_cast<uint4 *>(place) =
            linear_eight(reinterpret_cast<const uint16_t *>(from), valid ? left : 0);
      }
    }
  }

  FOVEA_DEVICE void run() {
    int group = static_cast<int>(threadIdx.x / 128);
    float sums[BO / 2];
#pragma unroll
    for (int i = 0; i < BO / 2; i++) sums[i] = 0;

#pragma unroll
    for (int s = 0; s < STAGES - 2; s++) {
      if (s < steps) copy(s, s);
      cp_async_commit();
    }
    int slot = 0, filled = STAGES - 2;
#pragma unroll 1
    for (int s = 0; s < steps; s++) {
      cp_async_wait<STAGES - 3>();
      async_fence();
      __syncthreads();
      const uint8_t *rows = stage(slot) + group * 64 * 128, *columns = stage(slot) + X_BYTES;
      wgmma_fence();
#pragma unroll
      for (int k = 0; k < 64; k += 16) {
        if constexpr (W == LinearWeights::F16) {
          wgmma_f16<BO>(sums, wgmma_operand(rows, k), wgmma_operand(columns, k), true);
        } else {
          wgmma_bf16<BO>(sums, wgmma_operand(rows, k), wgmma_operand(columns, k), true);
        }
      }
      wgmma_commit();
      // Before the barrier both groups have waited for step s-2's products: its place is free.
      if (s + STAGES - 2 < steps) copy(s + STAGES - 2, filled);
      cp_async_commit();
      wgmma_wait<1>();
      slot = slot == STAGES - 1 ? 0 : slot + 1;
      filled = filled == STAGES - 1 ? 0 : filled + 1;
    }
    wgmma_wait<0>();
    __syncthreads();

    // Per warp: 16 tokens by 32 rows of weights, a token's side by side.
    int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    float *slab = reinterpret_cast<float *>(shared) + warp * 16 * SLAB;
#pragma unroll
    for (int c = 0; c < BO / 32; c++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const float *d = sums + (c * 4 + j) * 4;
        float *at = slab + lane / 4 * SLAB + j * 8 + lane % 4 * 2;
        *reinterpret_cast<float2 *>(at) = make_float2(d[0], d[1]);
        *reinterpret_cast<float2 *>(at + 8 * SLAB) = make_float2(d[2], d[3]);
      }
      __syncwarp();
      finish(slab, warp * 16, c * 32);
      __syncwarp();
    }
  }

  FOVEA_DEVICE void finish(const float *slab, int token, int row) const {
    int lane = static_cast<int>(threadIdx.x % 32);
    bool gated = linear_gated(p);
    int outs = gated ? 16 : 32, at = lane % outs;
    int o = o0 + (gated ? row / 2 : row) + at;
    if (gated) at = at / 8 * 16 + at % 8;
    for (int i = lane / outs; i < 16; i += 32 / outs) {
      int t = t0 + token + i;
      if (t < live && o < p.outs) {
        float scale = W == LinearWeights::F16 ? p.row_scales[t] : 1.f;
        float v = slab[i * SLAB + at] * scale;
        float u = gated ? slab[i * SLAB + at + 8] * scale : 0.f;
        linear_finish(p, t, o, v, u, head());
      }
    }
  }
};

}  // namespace

#define KERNEL(name, W, BO)                                                         \
  FOVEA_KERNEL(name, LinearParams, 256) {                                           \
    FOVEA_SHARED_BYTES(unaligned);                                                  \
    uint8_t *shared = unaligned + (1024 - shared_address(unaligned) % 1024) % 1024; \
    int live = live_rows(p.rows);                                                   \
    if (static_cast<int>(blockIdx.x) * LINEAR_WGMMA_TOKENS >= live) return;         \
    Gemm<LinearWeights::W, BO>(p, shared, live).run();                              \
  }

KERNEL(linear_f16__wgmma256, F16, 256)
KERNEL(linear_f16__wgmma128, F16, 128)
KERNEL(linear_bf16__wgmma256, BF16, 256)
KERNEL(linear_bf16__wgmma128, BF16, 128)
