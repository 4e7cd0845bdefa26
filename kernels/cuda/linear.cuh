// What kernels of linear maps share: weights one by one, and what follows the map.
#pragma once

#include "cuda/block.cuh"
#include "cuda/linear.h"

enum class LinearWeights { F32, F16, BF16, Q8_0, Q4_0, Q4_G128 };

// A binary16, or a word with a zero point above the binary16.
template <LinearWeights W>
struct LinearScale {
  using Type = uint16_t;
};
template <>
struct LinearScale<LinearWeights::Q4_G128> {
  using Type = uint32_t;
};

// How weights in blocks lie: bytes of 32 elements of a row, and how many times 32 elements share a scale.
template <LinearWeights W>
struct LinearBlocks {
  static constexpr bool ANY = W >= LinearWeights::Q8_0;
  static constexpr bool GROUPED = W == LinearWeights::Q4_G128,
                        FOUR = GROUPED || W == LinearWeights::Q4_0;
  static constexpr int BYTES = FOUR ? 16 : 32, SPAN = GROUPED ? 4 : 1;
  using Scale = typename LinearScale<W>::Type;
  // The scales of a row.
  static FOVEA_DEVICE const Scale *row(const void *scales, int64_t row, int width) {
    return static_cast<const Scale *>(scales) + row * (width / (32 * SPAN));
  }
  static FOVEA_DEVICE float scale(Scale s) { return f16_to_f32(static_cast<uint16_t>(s)); }
  // What the numbers that weights are stored as are above zero.
  static FOVEA_DEVICE int zero(Scale s) {
    return GROUPED ? static_cast<int>(uint32_t{s} >> 16) : FOUR ? 8 : 0;
  }
};

FOVEA_DEVICE float linear_sigmoid(float v) { return 1.f / (1.f + expf(-v)); }

// Whether outputs come in pairs of rows of weights.
FOVEA_DEVICE bool linear_gated(const LinearParams &p) { return p.then >= LINEAR_SWIGLU; }

FOVEA_DEVICE void linear_put(void *to, int32_t half, int64_t at, float v) {
  if (half) {
    static_cast<uint16_t *>(to)[at] = f32_to_f16(v);
  } else {
    static_cast<float *>(to)[at] = v;
  }
}

// Pair o of a head of row t of norm_qkv. Angles are double and cut to one turn, as in rope.cu; a row whose position, sequence or
// page is out of range is reported and not written into a cache, as in kv_append.cu.
FOVEA_DEVICE void linear_qkv(const LinearParams &p, int64_t t, int o, int head, float v, float u) {
  const LinearQkv &q = p.qkv;
  int pos = q.pos[t];
  if (head < q.heads + q.key_heads) {
    double half_turns = pos * (q.coarse[o / 16] * q.fine[o % 16]);
    float sine, cosine;
    sincospif(static_cast<float>(half_turns - 2 * rint(half_turns / 2)), &sine, &cosine);
    float first = v * cosine - u * sine;
    u = u * cosine + v * sine;
    v = first;
  }
  int64_t width = 2 * int64_t{p.outs};
  int64_t at = q.neighbours ? 2 * o : o, apart = q.neighbours ? 1 : p.outs;
  if (head < q.heads) {
    at += (t * q.heads + head) * width;
    p.y[at] = v;
    p.y[at + apart] = u;
    return;
  }
  int seq = q.seq[t], page = -1;
  if (pos >= 0 && pos / q.places < q.table && seq >= 0 && seq < q.sequences)
    page = q.pages[int64_t{seq} * q.table + pos / q.places];
  if (page < 0 || page >= q.page_count) return report(p.rows.error);
  int cache = head >= q.heads + q.key_heads;
  int in_cache = head - q.heads - cache * q.key_heads;
  at += ((int64_t{page} * q.key_heads + in_cache) * q.places + pos % q.places) * width;
  linear_put(q.cache[cache], q.half_cache, at, v);
  linear_put(q.cache[cache], q.half_cache, at + apart, u);
}

// Element (t, o) of y from the sums of the first weights and of the second, which only pairs have. head: of norm_qkv.
FOVEA_DEVICE void linear_finish(const LinearParams &p, int64_t t, int o, float v, float u,
                                int head) {
  if (p.then == LINEAR_QKV) return linear_qkv(p, t, o, head, v, u);
  int64_t at = t * p.outs + o;
  if (p.b) v += p.b[o];
  switch (p.then) {
    case LINEAR_ADD:
      v = p.r[at] + v;
      break;
    case LINEAR_QUICK_GELU:
      v = v * linear_sigmoid(1.702f * v);
      break;
    case LINEAR_GELU:
      v = 0.5f * v * (1.f + erff(v * 0.70710678f));
      break;
    case LINEAR_SWIGLU:
      v = v * linear_sigmoid(v) * u;
      break;
    default:
      break;
  }
  p.y[at] = v;
}

// A row of weights: of what matrix, which of its rows, and what output it belongs to (of the head, for norm_qkv).
struct LinearRow {
  const uint8_t *w;
  const void *scales;
  int64_t row;
  int out;
};

// The first or second row of output o; the first alone where outputs do not come in pairs.
FOVEA_DEVICE LinearRow linear_row_of(const LinearParams &p, int head, int o, bool second) {
  if (p.then == LINEAR_QKV) {
    const LinearQkv &q = p.qkv;
    int map = head < q.heads ? 0 : head < q.heads + q.key_heads ? 1 : 2;
    int in_map = head - (map == 0 ? 0 : q.heads) - (map == 2 ? q.key_heads : 0);
    int64_t row = int64_t{in_map} * 2 * p.outs;
    row += q.neighbours ? 2 * o + second : o + second * p.outs;
    return {static_cast<const uint8_t *>(q.w[map]), q.scales[map], row, o};
  }
  return {static_cast<const uint8_t *>(second ? p.up : p.w), second ? p.up_scales : p.scales, o, o};
}

// Rows of one matrix from an output's to the next one's.
FOVEA_DEVICE int linear_row_step(const LinearParams &p) {
  return p.then == LINEAR_QKV && p.qkv.neighbours ? 2 : 1;
}

// Of the tile that makes `outs` outputs: the head, for norm_qkv, whose tiles end where a head does, and the first output.
FOVEA_DEVICE int linear_head(const LinearParams &p, int tile, int outs) {
  return p.then == LINEAR_QKV ? tile / ((p.outs + outs - 1) / outs) : 0;
}
FOVEA_DEVICE int linear_first(const LinearParams &p, int tile, int outs) {
  return (p.then == LINEAR_QKV ? tile % ((p.outs + outs - 1) / outs) : tile) * outs;
}
