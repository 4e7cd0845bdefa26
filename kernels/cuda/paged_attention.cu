// Causal attention over the paged cache: row t sees positions 0..pos[t] of sequence seq[t]; query head h reads key head
// h Hk / H.
//
// paged_attention_<cache>__plain. Grid (rows, heads), 128 threads; attention_plain.cuh. Traffic: a key head once a row and query head.
//
// A cache of eight bits lies split: quants, then scales (fovea_cuda_split_blocks).
//
// paged_attention_<cache>__split_<width>[x4]. For a few rows at the end of long contexts. Idea: a row's keys are cut
// into parts (how many depends on its position alone), a block takes one part of one key head and up to four query heads that
// share it; a warp's lanes lie side by side along the head, 16 bytes each, several keys a load, all loads of 16 keys under way
// at once; every group of lanes goes on with a softmax of its own and they are joined in the end, lanes by shuffles, warps in
// shared memory, parts by the block that arrives last, in the parts' order, whoever that is. Grid (16, groups of query heads,
// rows), 128 threads: the same for every context, blocks without a part leave at once; up to 1024 keys a part has 64, then 128
// and so on. Traffic: keys and values once, partial sums written and read once, a 32nd of that in binary16. Quants become
// binary32 by their bits, scales come in behind the sum of a block's products and, of values, with the weight. Expected, not
// measured: 80 % of the read ceiling from 2048 keys and 4 rows on; one row, 700 keys, 32 heads of 128 in binary16: 352 blocks,
// 11.5 MB, bound by latency, 5 us. Wins for 1 to 16 rows. _odd: for tensors that do not start on 16 bytes, same bits.
//
// paged_attention_f16__mma_<width>. For prefill. Idea: tiles of 64 query rows (16 a warp) and 64 keys on matrix units, keys and
// values through a double buffer straight from the pages, the page table read one tile ahead; see attention_tiles.cuh. Rows
// stand anywhere: a block goes through the sequences its rows belong to, one after the other, each from its first key to the
// largest position, and a row sees keys of its own sequence up to its own position; a warp skips tiles that none of its rows
// sees, and masks only where one of them does not see all. For consecutive rows of one sequence, prefill's case, that is the usual
// causal walk. Grid (heads, ceil(rows/64)), the longest tiles first; 128 threads, 64 KiB shared (32 for width 64). Traffic: keys and
// values once a block, from the second-level cache. Expected, not measured: 250 to 350 TFLOP/s at 2048 rows and more on
// sm_90; less for the few hundred rows of a prompt. Of q8_0 quants come
// through the double buffer and the block widens each tile to binary16 once for all its warps: half the traffic, 66 KiB shared
// (33 for width 64); a product of a quant and its scale is rounded once, what the definition allows. A key that is not seen must still be a number: infinity times a weight
// of 0 is not 0.

#include "cuda/attention_plain.cuh"
#include "cuda/attention_tiles.cuh"
#include "cuda/paged_attention_split.cuh"

namespace {

FOVEA_DEVICE int key_head_of(const PagedAttentionParams &p, int head) {
  return head / (p.heads / p.key_heads);
}

// Numbers of a cache of eight bits.
struct Blocks {
  const int8_t *quants;
  const uint16_t *scales;
  FOVEA_DEVICE float operator[](int64_t i) const { return f16_to_f32(scales[i / 32]) * quants[i]; }
};

template <class T>
FOVEA_DEVICE const T *numbers(const void *data, const uint16_t *, const T *) {
  return static_cast<const T *>(data);
}
FOVEA_DEVICE Blocks numbers(const void *data, const uint16_t *scales, const int8_t *) {
  return {static_cast<const int8_t *>(data), scales};
}

// T: type of the cache, int8_t for q8_0, here and below.
template <class T>
FOVEA_DEVICE void plain(const PagedAttentionParams &p, PlainShared &shared) {
  take_turn();
  int t = blockIdx.x, head = blockIdx.y;
  if (t >= live_rows(p.rows)) return;
  int seq = p.seq[t], n = seen(p, p.pos[t], seq);
  if (n == 0) return;
  int key_head = key_head_of(p, head);
  int64_t at = (int64_t{t} * p.heads + head) * p.width;
  const T *type = nullptr;
  attend_plainly(p.q + at, numbers(p.k, p.k_scales, type), numbers(p.v, p.v_scales, type), p.y + at,
                 n, p.width, p.scale, shared, [&](int64_t j) {
                   int64_t row = cache_row(p, seq, static_cast<int>(j), key_head);
                   return row < 0 ? 0 : row * p.width;
                 });
}

// ---- mma ----

constexpr int TILE = PREFILL_TILE;  // query rows, and keys

// shared: where the block's rows stand.
struct Stand {
  int32_t seen[TILE];
  int32_t seq[TILE];  // -1: this row does not count
};

FOVEA_DEVICE int warp_least(int x) {
  for (int mask = 16; mask > 0; mask >>= 1) {
    int other = __shfl_xor_sync(0xffffffffu, x, mask);
    x = other < x ? other : x;
  }
  return x;
}
FOVEA_DEVICE int warp_most(int x) { return -warp_least(-x); }

// A stage: rows of quants and rows of scales, of keys and of values.
template <int W>
struct Quants {
  static constexpr int PIECES = W / 16;  // of 16 bytes in a row
  uint4 quants[2][TILE][PIECES];
  uint16_t scales[2][TILE][W / 32];
};

static_assert(prefill_shared(64, true) == 2 * TILE * 64 * 2 + 2 * sizeof(Quants<64>));
static_assert(prefill_shared(128, true) == 2 * TILE * 128 * 2 + 2 * sizeof(Quants<128>));

// Four quants times their scale, d twice, as halves. 1024 + 128 + q has q's bits, the highest turned, in its last byte.
FOVEA_DEVICE uint2 widen_four(uint32_t x, uint32_t d) {
  x ^= 0x80808080u;
  return make_uint2(f16x2_mul(f16x2_sub(prmt(x, 0x64646464u, 0x4140u), 0x64806480u), d),
                    f16x2_mul(f16x2_sub(prmt(x, 0x64646464u, 0x4342u), 0x64806480u), d));
}

// A stage as tiles of binary16, keys and then values, by all threads of the block.
template <int W>
FOVEA_DEVICE void widen_tiles(uint8_t *tiles, const Quants<W> &stage) {
  constexpr int PIECES = Quants<W>::PIECES;
#pragma unroll
  for (int side = 0; side < 2; side++) {
    uint4 *to = reinterpret_cast<uint4 *>(tiles + side * TILE * W * 2);
#pragma unroll 2
    for (int i = threadIdx.x; i < TILE * PIECES; i += 2 * TILE) {
      int row = i / PIECES, piece = i % PIECES;
      uint32_t d = stage.scales[side][row][piece / 2];
      d |= d << 16;
      uint4 x = stage.quants[side][row][piece];
      uint2 a = widen_four(x.x, d), b = widen_four(x.y, d), c = widen_four(x.z, d),
            e = widen_four(x.w, d);
      to[Halves<W>::place(row, 2 * piece)] = make_uint4(a.x, a.y, b.x, b.y);
      to[Halves<W>::place(row, 2 * piece + 1)] = make_uint4(c.x, c.y, e.x, e.y);
    }
  }
}

// T: uint16_t or, for q8_0, int8_t.
template <int W, class T>
FOVEA_DEVICE void prefill(const PagedAttentionParams &p, uint8_t *shared, Stand &stand) {
  take_turn();
  using Way = Halves<W>;
  constexpr bool BLOCKS = sizeof(T) == 1;
  constexpr int TILE_BYTES = TILE * W * 2, N = TILE / 8;
  constexpr int NONE = 0x7fffffff;
  int n = live_rows(p.rows);
  int head = blockIdx.x, base = (gridDim.y - 1 - blockIdx.y) * TILE;
  if (base >= n) return;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4;
  int key_head = key_head_of(p, head);
  bool aligned = p.aligned;
  const T *k = static_cast<const T *>(p.k), *v = static_cast<const T *>(p.v);
  auto *stages = reinterpret_cast<Quants<W> *>(shared + 2 * TILE_BYTES);  // of q8_0

  if (threadIdx.x < TILE) {
    int t = base + threadIdx.x;
    int sees = t < n ? seen(p, p.pos[t], p.seq[t]) : 0;
    stand.seen[threadIdx.x] = sees;
    stand.seq[threadIdx.x] = sees > 0 ? p.seq[t] : -1;
  }
  __syncthreads();

  // This lane's two rows, in the tile; where they start in q and y. Rows past the end repeat the last; they see nothing and are
  // not written.
  auto row_of = [&](int r) { return warp * 16 + g + 8 * r; };
  auto start_of = [&](int r) {
    int t = base + row_of(r);
    return (int64_t{t < n ? t : n - 1} * p.heads + head) * W;
  };
  Way way;
  way.start(p.q + start_of(0), p.q + start_of(1), p.scale, aligned);
  Softmax softmax;

  for (int last = -1;;) {
    // The next sequence of any row, how far the block goes in it, and what this warp's rows see of it.
    int a = stand.seq[lane], b = stand.seq[lane + 32];
    int next = warp_least(min(a > last ? a : NONE, b > last ? b : NONE));
    if (next == NONE) break;
    last = next;
    int reach =
        warp_most(max(a == next ? stand.seen[lane] : 0, b == next ? stand.seen[lane + 32] : 0));
    int limit[2];
#pragma unroll
    for (int r = 0; r < 2; r++) limit[r] = stand.seq[row_of(r)] == next ? stand.seen[row_of(r)] : 0;
    int most = warp_most(max(limit[0], limit[1])), least = warp_least(min(limit[0], limit[1]));

    // A warp fetches 16 rows of each tile, its lanes side by side along a row; lane i looks up row i, a tile ahead.
    auto look_up = [&](int tile) {
      int j = tile * TILE + warp * 16 + lane % 16;
      return j < reach ? static_cast<int>(cache_row(p, next, j, key_head)) : -1;
    };
    auto stage = [&]<bool ALIGNED>(int tile, int row) {
      uint8_t *into = shared + tile % 2 * 2 * TILE_BYTES;
      constexpr int ROWS = 32 / Way::PIECES;  // of a load
#pragma unroll 2
      for (int i = 0; i < 16 / ROWS; i++) {
        int mine = i * ROWS + lane / Way::PIECES, piece = lane % Way::PIECES;
        int found = __shfl_sync(0xffffffffu, row, mine);
        int64_t at = int64_t{found < 0 ? 0 : found} * W + piece * 8;
        uint8_t *here = into + 16 * Way::place(warp * 16 + mine, piece);
        fetch16<ALIGNED>(here, k + at, found >= 0);
        fetch16<ALIGNED>(here + TILE_BYTES, v + at, found >= 0);
      }
    };
    auto stage_quants = [&](int tile, int row) {
      constexpr int PIECES = Quants<W>::PIECES, ROWS = 32 / PIECES, SCALES = W / 32;
      Quants<W> &into = stages[tile % 2];
#pragma unroll 2
      for (int i = 0; i < 16 / ROWS; i++) {
        int mine = i * ROWS + lane / PIECES, piece = lane % PIECES;
        int found = __shfl_sync(0xffffffffu, row, mine);
        int64_t at = int64_t{found < 0 ? 0 : found} * W + piece * 16;
        cp_async16(&into.quants[0][warp * 16 + mine][piece], k + at, found >= 0);
        cp_async16(&into.quants[1][warp * 16 + mine][piece], v + at, found >= 0);
      }
      // Lanes 0..15 fetch the scales of a row's keys each, lanes 16..31 those of its values.
      int side = lane / 16;
      int64_t at = int64_t{row < 0 ? 0 : row} * SCALES;
      const uint16_t *from = (side ? p.v_scales : p.k_scales) + at;
      uint16_t *to = into.scales[side][warp * 16 + lane % 16];
      if constexpr (SCALES == 4) {
        cp_async8(to, from, row >= 0);
      } else {
        cp_async4(to, from, row >= 0);
      }
    };
    auto fetch = [&](int tile, int row) {
      if constexpr (BLOCKS) {
        stage_quants(tile, row);
      } else if (aligned) {
        stage.template operator()<true>(tile, row);
      } else {
        stage.template operator()<false>(tile, row);
      }
    };
    int tiles = (reach + TILE - 1) / TILE;
    fetch(0, look_up(0));
    cp_async_commit();
    int row = look_up(1);
    for (int tile = 0; tile < tiles; tile++) {
      if (tile + 1 < tiles) fetch(tile + 1, row);
      cp_async_commit();
      row = look_up(tile + 2);
      cp_async_wait<1>();
      __syncthreads();
      if constexpr (
          BLOCKS) {  // every warp has left the tiles before, and the stage is left before it is fetched into again
        widen_tiles<W>(shared, stages[tile % 2]);
        __syncthreads();
      }
      int start = tile * TILE;
      if (start < most) {
        const uint8_t *keys = BLOCKS ? shared : shared + tile % 2 * 2 * TILE_BYTES;
        float s[N][4], shrink[2];
        way.template scores<true>(s, keys, 0, TILE);
        if (start + TILE > least) {
#pragma unroll
          for (int i = 0; i < N; i++) {
#pragma unroll
            for (int e = 0; e < 4; e++)
              if (start + 8 * i + lane % 4 * 2 + e % 2 >= limit[e / 2]) s[i][e] = -INFINITY;
          }
        }
        softmax.weigh(s, shrink);
        way.template add<true>(s, shrink, keys + TILE_BYTES, 0, TILE);
      }
      if (!BLOCKS) __syncthreads();
    }
  }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float sum = quad_sum(softmax.sum[r]);
    if (stand.seq[row_of(r)] >= 0) way.store(p.y + start_of(r), r, 1 / sum, aligned);
  }
}

}  // namespace

FOVEA_KERNEL(paged_attention_f32__plain, PagedAttentionParams, 128) {
  FOVEA_SHARED(PlainShared, shared, 1);
  plain<float>(p, shared[0]);
}

FOVEA_KERNEL(paged_attention_f16__plain, PagedAttentionParams, 128) {
  FOVEA_SHARED(PlainShared, shared, 1);
  plain<uint16_t>(p, shared[0]);
}

FOVEA_KERNEL(paged_attention_q8_0__plain, PagedAttentionParams, 128) {
  FOVEA_SHARED(PlainShared, shared, 1);
  plain<int8_t>(p, shared[0]);
}

#define SPLIT(name, T, W, Q, ALIGNED)                                                     \
  FOVEA_KERNEL_BLOCKS(name, SplitParams, 128, (Q > 1 ? 3 : 4)) {                          \
    using Shared = SplitShared<W, Q>;                                                     \
    FOVEA_SHARED(Shared, shared, 1);                                                      \
    take_turn();                                                                          \
    split<T, W, Q, ALIGNED>(p, shared[0], OwnBlock{},                                     \
                            {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y),  \
                             static_cast<int>(gridDim.y), static_cast<int>(blockIdx.z)}); \
  }

SPLIT(paged_attention_f32__split_64, float, 64, 1, true)
SPLIT(paged_attention_f32__split_64x4, float, 64, 4, true)
SPLIT(paged_attention_f32__split_128, float, 128, 1, true)
SPLIT(paged_attention_f32__split_128x4, float, 128, 4, true)
SPLIT(paged_attention_f16__split_64, uint16_t, 64, 1, true)
SPLIT(paged_attention_f16__split_64x4, uint16_t, 64, 4, true)
SPLIT(paged_attention_f16__split_128, uint16_t, 128, 1, true)
SPLIT(paged_attention_f16__split_128x4, uint16_t, 128, 4, true)
SPLIT(paged_attention_f32__split_64_odd, float, 64, 1, false)
SPLIT(paged_attention_f32__split_64x4_odd, float, 64, 4, false)
SPLIT(paged_attention_f32__split_128_odd, float, 128, 1, false)
SPLIT(paged_attention_f32__split_128x4_odd, float, 128, 4, false)
SPLIT(paged_attention_f16__split_64_odd, uint16_t, 64, 1, false)
SPLIT(paged_attention_f16__split_64x4_odd, uint16_t, 64, 4, false)
SPLIT(paged_attention_f16__split_128_odd, uint16_t, 128, 1, false)
SPLIT(paged_attention_f16__split_128x4_odd, uint16_t, 128, 4, false)

SPLIT(paged_attention_q8_0__split_64, int8_t, 64, 1, true)
SPLIT(paged_attention_q8_0__split_64x4, int8_t, 64, 4, true)
SPLIT(paged_attention_q8_0__split_128, int8_t, 128, 1, true)
SPLIT(paged_attention_q8_0__split_128x4, int8_t, 128, 4, true)
SPLIT(paged_attention_q8_0__split_64_odd, int8_t, 64, 1, false)
SPLIT(paged_attention_q8_0__split_64x4_odd, int8_t, 64, 4, false)
SPLIT(paged_attention_q8_0__split_128_odd, int8_t, 128, 1, false)
SPLIT(paged_attention_q8_0__split_128x4_odd, int8_t, 128, 4, false)

#define PREFILL(name, T, W, blocks)                                \
  FOVEA_KERNEL_BLOCKS(name, PagedAttentionParams, 128, (blocks)) { \
    FOVEA_SHARED_BYTES(shared);                                    \
    FOVEA_SHARED(Stand, stand, 1);                                 \
    prefill<W, T>(p, shared, stand[0]);                            \
  }

PREFILL(paged_attention_f16__mma_64, uint16_t, 64, 3)
PREFILL(paged_attention_f16__mma_128, uint16_t, 128, 2)
PREFILL(paged_attention_q8_0__mma_64, int8_t, 64, 3)
PREFILL(paged_attention_q8_0__mma_128, int8_t, 128, 2)
