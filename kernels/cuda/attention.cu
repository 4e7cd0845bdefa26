// y = softmax(scale q k^T) v per head, every row seeing every row: the vision tower's. See attention_tiles.cuh for the
// arithmetic of the tiles.
//
// attention__plain. Grid (rows, heads), 128 threads; attention_plain.cuh. Traffic: a head's keys and values once a row.
//
// attention__tf32_parts. Idea: 32 query rows of one head a block, four warps: two tiles of 16 rows times two halves of each 64 keys,
// so that the few rows of one picture still give every multiprocessor a block (257 rows: 9 x 16 blocks, 577: 19 x 16). Keys
// and values come 64 at a time through a double buffer; the two halves' softmaxes are joined at the end, by the warp of the first half.
// Of the last keys only n-tiles of 8 that hold any are multiplied; of the last rows only row tiles that hold any. Grid
// (ceil(rows/32), heads), 128 threads, 64 KiB shared, two blocks a multiprocessor. Traffic: q and y once, keys and values once a block
// from the second-level cache: 577 rows, 16 heads: 90 MB a layer. Arithmetic: 12 N^2 Dh tf32 operations a head. Expected, not
// measured: 35 to 50 % of the matrix units' mma.sync tf32 rate on sm_90 (bound by issuing the parts' splits beside the
// products), 60 % on sm_80. Wins always where Dh is 64.

#include "cuda/attention.h"
#include "cuda/attention_plain.cuh"
#include "cuda/attention_tiles.cuh"

namespace {

constexpr int TILE = 64;  // keys
constexpr int ROWS = 32;  // query rows of a block
constexpr int THREADS = 128;

// One tile of keys or values, rows from..from+63 of n.
template <class Way, int W, bool ALIGNED>
FOVEA_DEVICE void fetch(uint8_t *to, const typename Way::Element *data, int from, int n,
                        int heads) {
  constexpr int EACH = 16 / sizeof(typename Way::Element);
#pragma unroll 4
  for (int i = threadIdx.x; i < TILE * Way::PIECES; i += THREADS) {
    int row = i / Way::PIECES, piece = i % Way::PIECES;
    bool valid = from + row < n;
    const auto *at = data + int64_t{valid ? from + row : 0} * heads * W + piece * EACH;
    fetch16<ALIGNED>(to + 16 * Way::place(row, piece), at, valid);
  }
}

// shared: two stages of a tile of keys and one of values.
template <class Way, int W>
FOVEA_DEVICE void attend(const AttentionParams &p, uint8_t *shared) {
  take_turn();
  constexpr int TILE_BYTES = TILE * Way::PIECES * 16;
  constexpr int HALF = TILE / 2, N = HALF / 8;
  int n = live_rows(p.rows);
  int row = blockIdx.x * ROWS, head = blockIdx.y;
  if (row >= n) return;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4;
  int half = warp / 2;
  row += warp % 2 * 16;
  bool busy = row < n, aligned = p.aligned;
  using Element = typename Way::Element;
  auto *q = static_cast<const Element *>(p.q);
  auto *k = static_cast<const Element *>(p.k) + int64_t{head} * W;
  auto *v = static_cast<const Element *>(p.v) + int64_t{head} * W;

  // Rows past the end repeat the last and are not written.
  int64_t at[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    int mine = row + g + 8 * r;
    at[r] = (int64_t{mine < n ? mine : n - 1} * p.heads + head) * W;
  }
  Way way;
  way.start(q + at[0], q + at[1], p.scale, aligned);
  Softmax softmax;

  auto stage = [&](int tile) {
    uint8_t *to = shared + tile % 2 * 2 * TILE_BYTES;
    if (aligned) {
      fetch<Way, W, true>(to, k, tile * TILE, n, p.heads);
      fetch<Way, W, true>(to + TILE_BYTES, v, tile * TILE, n, p.heads);
    } else {
      fetch<Way, W, false>(to, k, tile * TILE, n, p.heads);
      fetch<Way, W, false>(to + TILE_BYTES, v, tile * TILE, n, p.heads);
    }
  };
  int tiles = (n + TILE - 1) / TILE;
  stage(0);
  cp_async_commit();
  for (int tile = 0; tile < tiles; tile++) {
    if (tile + 1 < tiles) stage(tile + 1);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();
    int count = n - tile * TILE - half * HALF;  // keys of this warp's half
    if (busy && count > 0) {
      const uint8_t *keys = shared + tile % 2 * 2 * TILE_BYTES;
      bool whole = count >= HALF;
      float s[N][4], shrink[2];
      if (whole) {
        way.template scores<true>(s, keys, half * HALF, count);
      } else {
        way.template scores<false>(s, keys, half * HALF, count);
#pragma unroll
        for (int i = 0; i < N; i++) {
#pragma unroll
          for (int e = 0; e < 4; e++)
            if (8 * i + lane % 4 * 2 + e % 2 >= count) s[i][e] = -INFINITY;
        }
      }
      softmax.weigh(s, shrink);
      if (whole) {
        way.template add<true>(s, shrink, keys + TILE_BYTES, half * HALF, count);
      } else {
        way.template add<false>(s, shrink, keys + TILE_BYTES, half * HALF, count);
      }
    }
    __syncthreads();
  }

  // Join the halves: [row tile][lane][number], by numbers so that lanes lie side by side.
  constexpr int NUMBERS = W / 2 + 4;
  float *joint = reinterpret_cast<float *>(shared) + warp % 2 * NUMBERS * 32 + lane;
  if (half == 1 && busy) {
#pragma unroll
    for (int i = 0; i < W / 8; i++) {
#pragma unroll
      for (int e = 0; e < 4; e++) joint[(4 * i + e) * 32] = way.y[i][e];
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
      joint[(W / 2 + r) * 32] = softmax.max[r];
      joint[(W / 2 + 2 + r) * 32] = softmax.sum[r];
    }
  }
  __syncthreads();
  if (half == 1 || !busy) return;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    // The first half has a key, so there is a largest score.
    float other = joint[(W / 2 + r) * 32];
    float largest = fmaxf(softmax.max[r], other);
    float mine = exp2_approx(softmax.max[r] - largest), theirs = exp2_approx(other - largest);
    float sum = quad_sum(softmax.sum[r] * mine + joint[(W / 2 + 2 + r) * 32] * theirs);
#pragma unroll
    for (int i = 0; i < W / 8; i++) {
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; e++)
        way.y[i][e] = way.y[i][e] * mine + joint[(4 * i + e) * 32] * theirs;
    }
    if (row + g + 8 * r < n) way.store(p.y + at[r], r, 1 / sum, aligned);
  }
}

}  // namespace

FOVEA_KERNEL(attention__plain, AttentionParams, 128) {
  FOVEA_SHARED(PlainShared, shared, 1);
  take_turn();
  int n = live_rows(p.rows);
  int row = blockIdx.x, head = blockIdx.y;
  if (row >= n) return;
  int64_t at = (int64_t{row} * p.heads + head) * p.width;
  attend_plainly(static_cast<const float *>(p.q) + at, static_cast<const float *>(p.k),
                 static_cast<const float *>(p.v), p.y + at, n, p.width, p.scale, shared[0],
                 [&](int64_t j) { return (j * p.heads + head) * p.width; });
}

FOVEA_KERNEL_BLOCKS(attention__tf32_parts, AttentionParams, 128, 2) {
  FOVEA_SHARED_BYTES(shared);
  attend<Tf32Parts<64>, 64>(p, shared);
}
