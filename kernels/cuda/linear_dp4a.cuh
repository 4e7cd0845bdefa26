// y = f(x w^T + b) for q4_0, q4_g128 and q8_0 weights and one to four rows of x: decoding, where reading w is the whole cost.
//
// Idea: x is rounded to eight bits per block of 32 (d = max|x|/127) and blocks are multiplied in whole numbers, four products
// an instruction. A warp takes two rows of w at a time (for swiglu gate's and up's, which make one element of y), a lane every
// 32nd packet of 16 bytes of each: eight loads under way before the first is used, and the next eight are asked for before
// these are worked on. The weights keep their zero at 8 or at their group's zero point: a block's dot product starts from so many
// times the sum of x's bytes, taken off.
// Every block of threads rounds x for itself (16 KB from the second-level cache for 4096 elements) while its first weights
// are on their way: cheaper than a launch before this one, and nothing goes through scratch memory.
// Each lane adds up its packets in order, then lanes are added as a tree: a row's bits depend on its x and w alone.
//
// Grid: at most 16 warps a multiprocessor, stepping over pairs of rows. Block: 16 warps, 8 or 4 for small matrices.
// Shared memory: a row of x takes 1.25 bytes an element.
// Traffic: w once. Expected, not measured: 75-90 % of the read bandwidth from 8 MB of weights on; about one instruction per
// weight and lane for one row of x, so a quarter of the issue slots on H200.

#pragma once

#include "cuda/linear.cuh"

namespace {

// Packets of each row that a lane asks for at once: as many as leave no register to be spilled on any architecture. A lane's sums
// go on in the same order.
template <LinearWeights W, int M>
constexpr int AHEAD = M == 4                                 ? 3
                      : (M == 2 && LinearBlocks<W>::GROUPED) ? 2
                                                             : 4;

template <LinearWeights W, int COUNT>
struct Packets {
  uint4 q[2][COUNT];
  typename LinearBlocks<W>::Scale d[2][COUNT];
};

// Rows of x in shared memory: their bytes, then a factor and an offset per block.
template <LinearWeights W>
struct Rounded {
  static constexpr bool FOUR = LinearBlocks<W>::FOUR;
  uint4 *bytes;
  float2 *
      factors;  // and the sum of the block's bytes, taken off, as an int: -8 times that where 8 is all weights' zero
  float *
      squares;  // with a norm: sums of x's squares by block; then, first of each row, the row's factor
  int blocks;  // in a row

  FOVEA_DEVICE Rounded(uint8_t *shared, int blocks, int rows)
      : bytes(reinterpret_cast<uint4 *>(shared)),
        factors(reinterpret_cast<float2 *>(shared + int64_t{rows} * blocks * 32)),
        squares(reinterpret_cast<float *>(shared + int64_t{rows} * blocks * 40)),
        blocks(blocks) {}

  // Where the 16 bytes that meet packet i of a row of w lie. For four bits a row's first halves of blocks come before all second
  // halves, so that lanes side by side read side by side.
  FOVEA_DEVICE const uint4 &half(int m, int i, int second) const {
    return FOUR ? bytes[(m * 2 + second) * blocks + i] : bytes[m * 2 * blocks + i];
  }

  // Eight lanes a block, four elements a lane; four blocks' loads are under way before the first is used.
  FOVEA_DEVICE void fill(const LinearParams &p, int rows, int live) {
    constexpr int AT_ONCE = 4;
    int group = static_cast<int>(threadIdx.x / 8), part = static_cast<int>(threadIdx.x % 8);
    int groups = static_cast<int>(blockDim.x / 8), total = rows * blocks;
    for (int from = 0; from < total; from += AT_ONCE * groups) {  // all lanes take part in shuffles
      float4 v[AT_ONCE];
#pragma unroll
      for (int i = 0; i < AT_ONCE; i++) {
        int block = from + i * groups + group;
        v[i] = make_float4(0, 0, 0, 0);
        if (block < live * blocks) {
          const float *at = p.x + int64_t{block} * 32 + part * 4;
          v[i] = p.x_aligned ? *reinterpret_cast<const float4 *>(at)
                             : make_float4(at[0], at[1], at[2], at[3]);
        }
      }
#pragma unroll
      for (int i = 0; i < AT_ONCE; i++) {
        int block = from + i * groups + group;
        if (p.g) v[i] = gain(p, v[i], block, part, total);
        round(v[i], block, part, total);
      }
    }
  }

  // With a norm: notes the squares and multiplies by g. The row's own factor comes last, see finish_norm.
  FOVEA_DEVICE float4 gain(const LinearParams &p, float4 v, int block, int part, int total) {
    float sum = fmaf(v.x, v.x, fmaf(v.y, v.y, fmaf(v.z, v.z, v.w * v.w)));
    for (int mask = 1; mask < 8; mask *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    if (block >= total) return v;
    if (part == 0) squares[block] = sum;
    const float *g = p.g + block % blocks * 32 + part * 4;
    return make_float4(v.x * g[0], v.y * g[1], v.z * g[2], v.w * g[3]);
  }

  // A warp a row, between barriers.
  FOVEA_DEVICE void finish_norm(const LinearParams &p, int rows) {
    int m = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    if (m < rows) {
      float sum = 0;
      for (int i = lane; i < blocks; i += 32) sum += squares[m * blocks + i];
      sum = warp_sum(sum);
      if (lane == 0) squares[m * blocks] = 1.f / sqrtf(sum / static_cast<float>(p.width) + p.eps);
    }
  }
  FOVEA_DEVICE float norm(int m) const { return squares[m * blocks]; }

  // A lane's four elements of a block.
  FOVEA_DEVICE void round(const float4 &v, int block, int part, int total) {
    float most = fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
    for (int mask = 1; mask < 8; mask *= 2)
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
    float up = most < 1e-30f ? 0x1p64f : 1.f;  // 127 / most may be infinite
    float scale = most > 0 ? 127.f / (most * up) : 0.f;
    uint32_t q = byte_of(v.x * up * scale) | byte_of(v.y * up * scale) << 8 |
                 byte_of(v.z * up * scale) << 16 | byte_of(v.w * up * scale) << 24;
    int sum = dp4a(static_cast<int>(q), 0x01010101, 0);
    for (int mask = 1; mask < 8; mask *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    if (block >= total) return;
    // Half a block's place: see half().
    int m = block / blocks, i = block % blocks, second = part / 4;
    int at = FOUR ? (m * 2 + second) * blocks + i : block * 2 + second;
    reinterpret_cast<uint32_t *>(bytes)[at * 4 + part % 4] = q;
    if (part == 0)
      factors[block] =
          make_float2(most / 127.f, __int_as_float((LinearBlocks<W>::GROUPED ? -1 : -8) * sum));
  }

  // v, |v| <= 127, to the nearest whole number, as a byte: adding 1.5 * 2^23 leaves it in the lowest bits.
  static FOVEA_DEVICE uint32_t byte_of(float v) {
    return static_cast<uint32_t>(__float_as_int(v + 12582912.f)) & 255;
  }
};

// Two rows of weights that a warp takes together.
template <LinearWeights W>
struct Pair {
  const uint8_t *q[2];
  const typename LinearBlocks<W>::Scale *d[2];
};

template <LinearWeights W>
FOVEA_DEVICE Pair<W> pair_at(const LinearParams &p, int unit) {
  using Blocks = LinearBlocks<W>;
  int64_t bytes = int64_t{p.width} / 32 * Blocks::BYTES;
  LinearRow first, second;
  if (linear_gated(p)) {
    int head = p.then == LINEAR_QKV ? unit / p.outs : 0, o = unit - head * p.outs;
    first = linear_row_of(p, head, o, false);
    second = linear_row_of(p, head, o, true);
  } else {
    first = linear_row_of(p, 0, unit * 2, false);
    second = linear_row_of(p, 0, unit * 2 + 1 < p.outs ? unit * 2 + 1 : unit * 2, false);
  }
  return {{first.w + first.row * bytes, second.w + second.row * bytes},
          {Blocks::row(first.scales, first.row, p.width),
           Blocks::row(second.scales, second.row, p.width)}};
}

template <LinearWeights W, int COUNT>
FOVEA_DEVICE void load(Packets<W, COUNT> &to, const Pair<W> &rows, int first, int packets) {
  // Packets of a scale.
  constexpr int SPAN = LinearBlocks<W>::SPAN * (LinearBlocks<W>::FOUR ? 1 : 2);
#pragma unroll
  for (int j = 0; j < COUNT; j++) {
    int i = first + j * 32;
    if (i < packets) {
#pragma unroll
      for (int r = 0; r < 2; r++) {
        to.q[r][j] = load_stream16(rows.q[r] + int64_t{i} * 16);
        to.d[r][j] = rows.d[r][i / SPAN];
      }
    }
  }
}

template <LinearWeights W>
FOVEA_DEVICE int dot(const uint4 &w, const Rounded<W> &x, int m, int i, int offset) {
  uint4 low = x.half(m, i, 0);
  if constexpr (LinearBlocks<W>::FOUR) {
    uint4 high = x.half(m, i, 1);
    int s = offset;
    s = dp4a(static_cast<int>(w.x & 0x0f0f0f0f), static_cast<int>(low.x), s);
    s = dp4a(static_cast<int>(w.y & 0x0f0f0f0f), static_cast<int>(low.y), s);
    s = dp4a(static_cast<int>(w.z & 0x0f0f0f0f), static_cast<int>(low.z), s);
    s = dp4a(static_cast<int>(w.w & 0x0f0f0f0f), static_cast<int>(low.w), s);
    s = dp4a(static_cast<int>(w.x >> 4 & 0x0f0f0f0f), static_cast<int>(high.x), s);
    s = dp4a(static_cast<int>(w.y >> 4 & 0x0f0f0f0f), static_cast<int>(high.y), s);
    s = dp4a(static_cast<int>(w.z >> 4 & 0x0f0f0f0f), static_cast<int>(high.z), s);
    return dp4a(static_cast<int>(w.w >> 4 & 0x0f0f0f0f), static_cast<int>(high.w), s);
  } else {
    int s = dp4a(static_cast<int>(w.x), static_cast<int>(low.x), 0);
    s = dp4a(static_cast<int>(w.y), static_cast<int>(low.y), s);
    s = dp4a(static_cast<int>(w.z), static_cast<int>(low.z), s);
    return dp4a(static_cast<int>(w.w), static_cast<int>(low.w), s);
  }
}

// M: rows of x, of which the last may not count. turn(), which every thread of the block calls once, waits for what x depends on.
template <LinearWeights W, int M, int COUNT, class Turn>
FOVEA_DEVICE void rows(const LinearParams &p, uint8_t *shared, Turn turn) {
  using Blocks = LinearBlocks<W>;
  constexpr bool FOUR = Blocks::FOUR;
  int blocks = p.width / 32, packets = FOUR ? blocks : blocks * 2;
  int lane = static_cast<int>(threadIdx.x % 32), warps = static_cast<int>(blockDim.x / 32);
  // Blocks side by side take pairs side by side, so that what is left for the last round is spread over all of them.
  int unit = static_cast<int>(threadIdx.x / 32 * gridDim.x + blockIdx.x);
  int units = p.then == LINEAR_QKV ? (p.qkv.heads + 2 * p.qkv.key_heads) * p.outs
              : linear_gated(p)    ? p.outs
                                   : (p.outs + 1) / 2;
  int step = static_cast<int>(gridDim.x) * warps;

  Packets<W, COUNT> next{};
  Pair<W> pair{};
  if (unit < units) {
    pair = pair_at<W>(p, unit);
    load(next, pair, lane, packets);
  }
  turn();
  int live = live_rows(p.rows);
  if (live == 0) return;
  Rounded<W> x(shared, blocks, M);
  x.fill(p, M, live);
  __syncthreads();
  if (p.g) {
    x.finish_norm(p, M);
    __syncthreads();
  }

  for (; unit < units; unit += step) {
    float sums[2][M] = {};
    for (int from = 0; from < packets; from += COUNT * 32) {
      Packets<W, COUNT> now = next;
      if (from + COUNT * 32 < packets) {
        load(next, pair, from + COUNT * 32 + lane, packets);
      } else if (unit + step < units) {
        pair = pair_at<W>(p, unit + step);
        load(next, pair, lane, packets);
      }
#pragma unroll
      for (int j = 0; j < COUNT; j++) {
        int i = from + j * 32 + lane;
        if (i < packets) {
          float d[2] = {Blocks::scale(now.d[0][j]), Blocks::scale(now.d[1][j])};
#pragma unroll
          for (int m = 0; m < M; m++) {
            float2 factor = x.factors[m * blocks + (FOUR ? i : i / 2)];
#pragma unroll
            for (int r = 0; r < 2; r++) {
              int offset = __float_as_int(factor.y);
              int s = dot<W>(now.q[r][j], x, m, i, Blocks::GROUPED ? 0 : offset);
              if (Blocks::GROUPED) s += offset * Blocks::zero(now.d[r][j]);
              sums[r][m] = fmaf(static_cast<float>(s), d[r] * factor.x, sums[r][m]);
            }
          }
        }
      }
    }
    // Lane 2m+r takes the sum of row m of x and row r of the pair.
    float mine = 0, second = 0;
#pragma unroll
    for (int m = 0; m < M; m++) {
      float first = warp_sum(sums[0][m]), other = warp_sum(sums[1][m]);
      if (lane / 2 == m) {
        mine = lane % 2 ? other : first;
        second = other;
      }
    }
    int t = lane / 2;
    if (t < live && t < M) {
      if (linear_gated(p)) {
        float norm = p.g ? x.norm(t) : 1.f;
        int head = p.then == LINEAR_QKV ? unit / p.outs : 0;
        if (lane % 2 == 0)
          linear_finish(p, t, unit - head * p.outs, mine * norm, second * norm, head);
      } else if (unit * 2 + lane % 2 < p.outs) {
        linear_finish(p, t, unit * 2 + lane % 2, mine, 0.f, 0);
      }
    }
  }
}

}  // namespace
