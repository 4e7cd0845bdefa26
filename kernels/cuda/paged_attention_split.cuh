// Attention of a few rows over parts of their keys, see paged_attention.cu.
#pragma once

#include "cuda/attention_tiles.cuh"
#include "cuda/paged_attention.h"

namespace {

// Keys that a row sees; 0, and word of it, where position or sequence make no sense.
FOVEA_DEVICE int seen(const PagedAttentionParams &p, int pos, int seq) {
  if (pos >= 0 && pos < int64_t{p.table} * p.places && seq >= 0 && seq < p.sequences)
    return pos + 1;
  report(p.rows.error);
  return 0;
}

// Row of [Pg*Hk*Ps] where position j of a sequence lies for a key head; -1, and word of it, where the page makes no sense.
FOVEA_DEVICE int64_t cache_row(const PagedAttentionParams &p, int seq, int j, int key_head) {
  int block = j / p.places, place = j - block * p.places;
  int page = p.pages[int64_t{seq} * p.table + block];
  if (page < 0 || page >= p.pool) {
    report(p.rows.error);
    return -1;
  }
  return (int64_t{page} * p.key_heads + key_head) * p.places + place;
}

// ---- split ----

constexpr int WARPS = 4;

// What a lane takes of the cache at once: of a key that several queries share eight quants are enough registers.
template <class T, int Q>
struct Piece {
  using Words = uint4;
};
template <>
struct Piece<int8_t, 4> {
  using Words = uint2;
};

// Zeros where not valid.
template <bool ALIGNED, class Words>
FOVEA_DEVICE Words take(const void *from, bool valid) {
  if (!valid) return Words{};
  if constexpr (ALIGNED) {
    return *static_cast<const Words *>(from);
  } else {
    auto *h = static_cast<const uint16_t *>(from);  // 2-byte steps suit binary32 as well
    uint32_t w[4];
#pragma unroll
    for (int i = 0; i < 4; i++) w[i] = h[2 * i] | static_cast<uint32_t>(h[2 * i + 1]) << 16;
    return Words{w[0], w[1], w[2], w[3]};
  }
}

FOVEA_DEVICE void unpack(uint4 x, float (&to)[4]) {
  to[0] = float_of(x.x), to[1] = float_of(x.y), to[2] = float_of(x.z), to[3] = float_of(x.w);
}
FOVEA_DEVICE void unpack(uint4 x, float (&to)[8]) {
  float2 a = unpack_f16(x.x), b = unpack_f16(x.y), c = unpack_f16(x.z), d = unpack_f16(x.w);
  to[0] = a.x, to[1] = a.y, to[2] = b.x, to[3] = b.y;
  to[4] = c.x, to[5] = c.y, to[6] = d.x, to[7] = d.y;
}

// Four quants, exact: 2^23 + 128 + q has q's bits, the highest turned, in its last byte.
FOVEA_DEVICE void unpack(uint32_t x, float *to) {
  x ^= 0x80808080u;
#pragma unroll
  for (uint32_t i = 0; i < 4; i++)
    to[i] = float_of(prmt(x, 0x4b000000u, 0x7540u | i)) - (8388608.f + 128);
}
FOVEA_DEVICE void unpack(uint2 x, float (&to)[8]) { unpack(x.x, to), unpack(x.y, to + 4); }
FOVEA_DEVICE void unpack(uint4 x, float (&to)[16]) {
  unpack(x.x, to), unpack(x.y, to + 4), unpack(x.z, to + 8), unpack(x.w, to + 12);
}

// 2^(state - largest), 0 where there was nothing.
FOVEA_DEVICE float share(float state, float largest) {
  return state == -INFINITY ? 0 : exp2_approx(state - largest);
}

// What warps leave for each other.
template <int W, int Q>
struct SplitShared {
  float sums[WARPS][Q][W];
  float states[WARPS][Q][2];
  int32_t last;
};

// The threads that work on one part: a block by themselves, or a quarter of one.
struct OwnBlock {
  FOVEA_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
  FOVEA_DEVICE void sync() const { __syncthreads(); }
};
struct Quarter {
  FOVEA_DEVICE int thread() const { return static_cast<int>(threadIdx.x % (WARPS * 32)); }
  FOVEA_DEVICE void sync() const {
    part_barrier_sync(static_cast<int>(1 + threadIdx.x / (WARPS * 32)), WARPS * 32);
  }
};

// Which part of which group of query heads (of how many) of which row.
struct SplitPlace {
  int part, group, groups, row;
};

// T: type of the cache; W: head width; Q: query heads that share loads; ALIGNED: as params.aligned.
template <class T, int W, int Q, bool ALIGNED, class Team>
FOVEA_DEVICE void split(const SplitParams &params, SplitShared<W, Q> &shared, Team team,
                        SplitPlace place) {
  using Words = typename Piece<T, Q>::Words;
  constexpr bool BLOCKS = sizeof(T) == 1;
  constexpr bool AHEAD = ALIGNED || BLOCKS;         // whether the cache is read in whole words
  constexpr int EACH = sizeof(Words) / sizeof(T);   // numbers of a lane
  constexpr int LANES = W / EACH;                   // lanes of a key
  constexpr int KEYS = 32 / LANES;                  // keys of a load
  constexpr int LOADS = Q > 1 || KEYS > 2 ? 4 : 8;  // at once, of keys and of values each
  constexpr int STEP = LOADS * KEYS;
  const PagedAttentionParams &p = params.a;
  int part = place.part, group = place.group, t = place.row;
  int thread = team.thread();
  int pos = p.pos[t], seq = p.seq[t];  // under way together with the count of rows
  if (t >= live_rows(p.rows)) return;
  int n = seen(p, pos, seq);
  int length = SPLIT_PART;
  while (length * SPLIT_PARTS < n) length *= 2;
  int parts = (n + length - 1) / length;
  if (part >= parts) return;

  int lane = thread % 32, warp = thread / 32, slot = lane / LANES, piece = lane % LANES;
  int sharing = p.heads / p.key_heads;  // query heads of a key head
  int groups = (sharing + Q - 1) / Q;   // of them
  int key_head = group / groups;
  int first = key_head * sharing + group % groups * Q;
  int queries = sharing - group % groups * Q;  // that count, at most Q
  if (queries > Q) queries = Q;

  // Queries past the last stay at zero and are not written.
  float q[Q][EACH], sums[Q][EACH], largest[Q], total[Q];
#pragma unroll
  for (int i = 0; i < Q; i++) {
    const float *from = p.q + (int64_t{t} * p.heads + first + i) * W + piece * EACH;
#pragma unroll
    for (int e = 0; e < EACH; e += 4) {
      float4 x = i < queries ? load4(from + e, ALIGNED) : make_float4(0, 0, 0, 0);
      q[i][e] = x.x, q[i][e + 1] = x.y, q[i][e + 2] = x.z, q[i][e + 3] = x.w;
    }
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      q[i][e] *= p.scale * LOG2E;
      sums[i][e] = 0;
    }
    largest[i] = -INFINITY;
    total[i] = 0;
  }

  // A warp's quarter of the part, STEP keys at a time; where they lie is looked up a step ahead, a key a lane.
  int from = part * length + warp * (length / WARPS);
  int to = from + length / WARPS < n ? from + length / WARPS : n;
  const T *k = static_cast<const T *>(p.k) + piece * EACH;
  const T *v = static_cast<const T *>(p.v) + piece * EACH;
  // The scale of this lane's numbers in a row of the cache.
  auto scale_of = [&](const uint16_t *scales, int row) -> uint16_t {
    return row < 0 ? uint16_t{0} : scales[int64_t{row} * (W / 32) + piece * EACH / 32];
  };
  auto look_up = [&](int j) {
    return lane < STEP && j + lane < to ? static_cast<int>(cache_row(p, seq, j + lane, key_head))
                                        : -1;
  };
  int row = look_up(from);
  for (int j = from; j < to; j += STEP) {
    Words keys[LOADS], values[LOADS];
    uint16_t key_scales[LOADS], value_scales[LOADS];
    int at[LOADS];
#pragma unroll
    for (int u = 0; u < LOADS; u++) {
      at[u] = __shfl_sync(0xffffffffu, row, u * KEYS + slot);
      keys[u] = take<AHEAD, Words>(k + int64_t{at[u]} * W, at[u] >= 0);
      if (AHEAD) values[u] = take<AHEAD, Words>(v + int64_t{at[u]} * W, at[u] >= 0);
      if (BLOCKS) {
        key_scales[u] = scale_of(p.k_scales, at[u]);
        value_scales[u] = scale_of(p.v_scales, at[u]);
      }
    }
    row = look_up(j + STEP);
    float score[Q][LOADS];
#pragma unroll
    for (int u = 0; u < LOADS; u++) {
      float x[EACH];
      unpack(keys[u], x);
#pragma unroll
      for (int i = 0; i < Q; i++) {
        if (Q > 1 && i >= queries) continue;
        float dot = 0;
#pragma unroll
        for (int e = 0; e < EACH; e++) dot += q[i][e] * x[e];
        if (BLOCKS) dot *= f16_to_f32(key_scales[u]);
#pragma unroll
        for (int mask = LANES / 2; mask > 0; mask /= 2)
          dot += __shfl_xor_sync(0xffffffffu, dot, mask);
        score[i][u] = j + u * KEYS + slot < to ? dot : -INFINITY;
      }
    }
#pragma unroll
    for (int i = 0; i < Q; i++) {
      if (Q > 1 && i >= queries) continue;
      float next = largest[i];
#pragma unroll
      for (int u = 0; u < LOADS; u++) next = fmaxf(next, score[i][u]);
      float base = next == -INFINITY ? 0 : next;
      float shrink = exp2_approx(largest[i] - base);
      largest[i] = next;
      total[i] *= shrink;
#pragma unroll
      for (int e = 0; e < EACH; e++) sums[i][e] *= shrink;
#pragma unroll
      for (int u = 0; u < LOADS; u++) {
        score[i][u] = exp2_approx(score[i][u] - base);
        total[i] += score[i][u];
      }
    }
#pragma unroll
    for (int u = 0; u < LOADS; u++) {
      float x[EACH];
      unpack(AHEAD ? values[u] : take<AHEAD, Words>(v + int64_t{at[u]} * W, at[u] >= 0), x);
#pragma unroll
      for (int i = 0; i < Q; i++) {
        if (Q > 1 && i >= queries) continue;
        float weight = score[i][u];
        if (BLOCKS) weight *= f16_to_f32(value_scales[u]);
#pragma unroll
        for (int e = 0; e < EACH; e++) sums[i][e] += weight * x[e];
      }
    }
  }

  // The warp's slots become one; the first slot's lanes have the result.
#pragma unroll
  for (int i = 0; i < Q; i++) {
#pragma unroll
    for (int mask = LANES; mask < 32; mask *= 2) {
      float other = __shfl_xor_sync(0xffffffffu, largest[i], mask);
      float next = fmaxf(largest[i], other);
      float mine = share(largest[i], next), theirs = share(other, next);
      largest[i] = next;
      total[i] = total[i] * mine + __shfl_xor_sync(0xffffffffu, total[i], mask) * theirs;
#pragma unroll
      for (int e = 0; e < EACH; e++)
        sums[i][e] = sums[i][e] * mine + __shfl_xor_sync(0xffffffffu, sums[i][e], mask) * theirs;
    }
    if (slot == 0) {
#pragma unroll
      for (int e = 0; e < EACH; e++) shared.sums[warp][i][piece * EACH + e] = sums[i][e];
      if (piece == 0) {
        shared.states[warp][i][0] = largest[i];
        shared.states[warp][i][1] = total[i];
      }
    }
  }
  team.sync();

  // The warps become one. The first has a key.
  for (int i = thread; i < queries * W; i += WARPS * 32) {
    int query = i / W, d = i % W, head = first + query;
    float next = -INFINITY, sum = 0, weights = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) next = fmaxf(next, shared.states[w][query][0]);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      float s = share(shared.states[w][query][0], next);
      sum += shared.sums[w][query][d] * s;
      weights += shared.states[w][query][1] * s;
    }
    int64_t at = int64_t{t} * p.heads + head;
    if (parts == 1) {
      p.y[at * W + d] = sum / weights;
    } else {
      int64_t mine = at * SPLIT_PARTS + part;
      params.sums[mine * W + d] = sum;
      if (d == 0) {
        params.states[2 * mine] = next;
        params.states[2 * mine + 1] = weights;
      }
    }
  }
  if (parts == 1) return;

  // Whoever is last has all parts before it, and leaves the counter as it was found.
  team.sync();
  if (thread == 0) {
    int32_t *arrived = &params.arrived[int64_t{t} * place.groups + group];
    __threadfence();  // for what the whole block wrote before the barrier
    shared.last = atomicAdd(arrived, 1) == parts - 1;
    if (shared.last) *arrived = 0;
    __threadfence();
  }
  team.sync();
  if (!shared.last) return;
  for (int i = thread; i < queries * W; i += WARPS * 32) {
    int d = i % W;
    int64_t at = int64_t{t} * p.heads + first + i / W;
    const float *states = params.states + 2 * at * SPLIT_PARTS;
    const float *of = params.sums + at * SPLIT_PARTS * W + d;
    float next = -INFINITY, sum = 0, weights = 0;
#pragma unroll
    for (int c = 0; c < SPLIT_PARTS; c++)
      if (c < parts) next = fmaxf(next, states[2 * c]);
#pragma unroll
    for (int c = 0; c < SPLIT_PARTS; c++) {
      if (c >= parts) continue;
      float s = share(states[2 * c], next);
      sum += of[c * W] * s;
      weights += states[2 * c + 1] * s;
    }
    p.y[at * W + d] = sum / weights;
  }
}

}  // namespace
