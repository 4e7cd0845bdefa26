// Attention on matrix units, a tile at a time: a warp holds 16 query rows, keys and values of some positions lie in shared
// memory, the softmax goes on from tile to tile with the largest score so far (Milakov and Gimelshein 2018, arXiv:1805.02867;
// tiles as in Dao et al. 2022, arXiv:2205.14135, algorithm 1). Two ways to multiply stand here, of one form, so that a kernel
// is a template over them:
//
//   Halves<W>     tiles of binary16; queries and weights are rounded to it as they become operands
//   Tf32Parts<W>  tiles of binary32; every operand is the sum of two tf32 numbers, three products make one
//
// In a warp's tile lane 4g+t holds rows g and g+8. Scores and weights of n-tile i (8 keys): [i][0..1] are row g, keys 8i+2t and
// 8i+2t+1; [i][2..3] row g+8. Which columns of the output a lane has is each way's own matter: see store().
#pragma once

#include <math.h>

#include "cuda/kernel.cuh"

constexpr float LOG2E = 1.44269504088896341f;

FOVEA_DEVICE uint32_t bits_of(float x) { return static_cast<uint32_t>(__float_as_int(x)); }
FOVEA_DEVICE float float_of(uint32_t b) { return __int_as_float(static_cast<int>(b)); }

// Over the four lanes that share rows.
FOVEA_DEVICE float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
FOVEA_DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

FOVEA_DEVICE float4 load4(const float *from, bool aligned) {
  if (aligned) return *reinterpret_cast<const float4 *>(from);
  return make_float4(from[0], from[1], from[2], from[3]);
}

// The same of halves; on 8-byte boundaries if aligned.
FOVEA_DEVICE float4 load4(const uint16_t *from, bool aligned) {
  if (aligned) {
    uint2 pairs = *reinterpret_cast<const uint2 *>(from);
    float2 a = unpack_f16(pairs.x), b = unpack_f16(pairs.y);
    return make_float4(a.x, a.y, b.x, b.y);
  }
  return make_float4(f16_to_f32(from[0]), f16_to_f32(from[1]), f16_to_f32(from[2]),
                     f16_to_f32(from[3]));
}

FOVEA_DEVICE void store4(float *to, float4 x, bool aligned) {
  if (aligned) {
    *reinterpret_cast<float4 *>(to) = x;
  } else {
    to[0] = x.x, to[1] = x.y, to[2] = x.z, to[3] = x.w;
  }
}

// 16 bytes of global memory to shared memory, there after the wait for the group and a barrier; zeros where not valid. Off
// 16-byte boundaries element by element.
template <bool ALIGNED, class T>
FOVEA_DEVICE void fetch16(void *to, const T *from, bool valid) {
  if constexpr (ALIGNED) {
    cp_async16(to, from, valid);
  } else {
    T *piece = static_cast<T *>(to);
    for (int i = 0; i < static_cast<int>(16 / sizeof(T)); i++) piece[i] = valid ? from[i] : T{0};
  }
}

// The softmax of a lane's two rows so far. Sums are the lane's own share until quad_sum.
struct Softmax {
  float max[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};

  // Scores, already times log2(e), become weights 2^(score - max); shrink: what to multiply by whatever was weighed before. A
  // row whose scores are all -inf so far has weights 0.
  template <int N>
  FOVEA_DEVICE void weigh(float (&s)[N][4], float (&shrink)[2]) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float largest = max[r];
#pragma unroll
      for (int i = 0; i < N; i++) largest = fmaxf(largest, fmaxf(s[i][2 * r], s[i][2 * r + 1]));
      largest = quad_max(largest);
      float base = largest == -INFINITY ? 0 : largest;
      shrink[r] = exp2_approx(max[r] - base);
      max[r] = largest;
      float total = 0;
#pragma unroll
      for (int i = 0; i < N; i++) {
        s[i][2 * r] = exp2_approx(s[i][2 * r] - base);
        s[i][2 * r + 1] = exp2_approx(s[i][2 * r + 1] - base);
        total += s[i][2 * r] + s[i][2 * r + 1];
      }
      sum[r] = sum[r] * shrink[r] + total;
    }
  }
};

// Tiles of binary16 [keys][W]: mma m16n8k16. The largest number of a query row is brought into [2^14, 2^15) by a power of two
// before it is rounded, so that only numbers below 2^-28 of it lose more than the last bit. Weights are at most 1. Errors:
// half a unit of binary16 in each of q and the weights, what PagedAttention.java allows for a binary16 cache.
template <int W>
struct Halves {
  using Element = uint16_t;
  static constexpr int PIECES = W / 8;  // of 16 bytes in a row

  uint32_t query[W / 16][4];
  float unit[2];  // score = product * unit, times log2(e) and all
  float y[W / 8][4];

  // A row's 16-byte pieces lie in another order in each of 8 rows running: scores() reads 4 pieces of 2 rows at a time, add()
  // one piece of 8 rows, and neither meets a bank twice.
  FOVEA_DEVICE static int place(int row, int piece) {
    return row * PIECES + (piece ^ ((row & 1) << 2 | (row >> 1 & 3)));
  }

  // Rows g and g+8 of the queries, of either type. The numbers of a row are dealt to the products so that a lane needs 8 that lie side by
  // side for two of them, here and in scores().
  template <class Q>
  FOVEA_DEVICE void start(const Q *row0, const Q *row1, float scale, bool aligned) {
    int t = threadIdx.x % 4;
    float q[2][W / 32][8];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const Q *row = (r ? row1 : row0) + 8 * t;
      float largest = 0;
#pragma unroll
      for (int j = 0; j < W / 32; j++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float4 x = load4(row + 32 * j + 4 * half, aligned);
          float *to = q[r][j] + 4 * half;
          to[0] = x.x, to[1] = x.y, to[2] = x.z, to[3] = x.w;
        }
#pragma unroll
        for (int i = 0; i < 8; i++) largest = fmaxf(largest, fabsf(q[r][j][i]));
      }
      largest = quad_max(largest);
      uint32_t exponent = bits_of(largest) >> 23;
      if (exponent < 15) exponent = 15;  // both powers of two stay ordinary numbers
      float up = float_of((268 - exponent) << 23);
      unit[r] = float_of((exponent - 14) << 23) * (scale * LOG2E);
#pragma unroll
      for (int j = 0; j < W / 32; j++) {
#pragma unroll
        for (int i = 0; i < 8; i++) q[r][j][i] *= up;
      }
    }
#pragma unroll
    for (int j = 0; j < W / 32; j++) {
#pragma unroll
      for (int k = 0; k < 2; k++) {
        uint32_t(&a)[4] = query[2 * j + k];
        a[0] = pack_f16(q[0][j][4 * k], q[0][j][4 * k + 1]);
        a[1] = pack_f16(q[1][j][4 * k], q[1][j][4 * k + 1]);
        a[2] = pack_f16(q[0][j][4 * k + 2], q[0][j][4 * k + 3]);
        a[3] = pack_f16(q[1][j][4 * k + 2], q[1][j][4 * k + 3]);
      }
    }
#pragma unroll
    for (int i = 0; i < W / 8; i++) y[i][0] = y[i][1] = y[i][2] = y[i][3] = 0;
  }

  // s: scores of keys from..from+8N-1 of the tile, of which count count; the others' are for the caller to mask. WHOLE: all
  // count, and there are no branches.
  template <bool WHOLE, int N>
  FOVEA_DEVICE void scores(float (&s)[N][4], const uint8_t *tile, int from, int count) const {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const uint4 *pieces = reinterpret_cast<const uint4 *>(tile);
#pragma unroll
    for (int i = 0; i < N; i++) s[i][0] = s[i][1] = s[i][2] = s[i][3] = 0;
      // All n-tiles take turns, so that no product waits for the one before it.
#pragma unroll
    for (int j = 0; j < W / 32; j++) {
#pragma unroll
      for (int i = 0; i < N; i++) {
        if (!WHOLE && 8 * i >= count) continue;
        uint4 k = pieces[place(from + 8 * i + g, 4 * j + t)];
        uint32_t b0[2] = {k.x, k.y}, b1[2] = {k.z, k.w};
        mma_f16(s[i], query[2 * j], b0);
        mma_f16(s[i], query[2 * j + 1], b1);
      }
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
#pragma unroll
      for (int e = 0; e < 4; e++) s[i][e] *= unit[e / 2];
    }
  }

  // y = y * shrink + weights * values. Keys from..; a pair of n-tiles none of whose keys count is left out.
  template <bool WHOLE, int N>
  FOVEA_DEVICE void add(const float (&weight)[N][4], const float (&shrink)[2], const uint8_t *tile,
                        int from, int count) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < W / 8; i++) {
      y[i][0] *= shrink[0];
      y[i][1] *= shrink[0];
      y[i][2] *= shrink[1];
      y[i][3] *= shrink[1];
    }
#pragma unroll
    for (int k = 0; k < N / 2; k++) {
      if (!WHOLE && 16 * k >= count) continue;
      const float(&w0)[4] = weight[2 * k], (&w1)[4] = weight[2 * k + 1];
      uint32_t a[4] = {pack_f16(w0[0], w0[1]), pack_f16(w0[2], w0[3]), pack_f16(w1[0], w1[1]),
                       pack_f16(w1[2], w1[3])};
      int row = from + 16 * k + lane % 16;
#pragma unroll
      for (int i = 0; i < W / 16; i++) {
        uint32_t v[4];
        ldmatrix_x4_trans(v, tile + 16 * place(row, 2 * i + lane / 16));
        uint32_t b0[2] = {v[0], v[1]}, b1[2] = {v[2], v[3]};
        mma_f16(y[2 * i], a, b0);
        mma_f16(y[2 * i + 1], a, b1);
      }
    }
  }

  // Writes this lane's part of row g + 8r, times factor.
  FOVEA_DEVICE void store(float *row, int r, float factor, bool aligned) const {
    int t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < W / 8; i++) {
      // + 0: a zero is written as +0, whichever masked tiles a row has been through.
      float a = y[i][2 * r] * factor + 0.0f, b = y[i][2 * r + 1] * factor + 0.0f;
      float *to = row + 8 * i + 2 * t;
      if (aligned) {
        *reinterpret_cast<float2 *>(to) = make_float2(a, b);
      } else {
        to[0] = a, to[1] = b;
      }
    }
  }
};

// x to the nearest tf32 (11 bits), and what is left likewise: together x to 2^-22 of it.
FOVEA_DEVICE void tf32_parts(float x, uint32_t &high, uint32_t &low) {
  high = f32_to_tf32(x) & ~0x1fffu;  // the bits that the product ignores
  low = f32_to_tf32(x - float_of(high));
}

// Tiles of binary32 [keys][W]: mma m16n8k8 on parts, high*high + high*low + low*high.
//
// Error of a score, in units of u = 2^-24 times the sum of |products|: parts 12 (4 for each of q's and k's rounded rest, 4 for
// low*low); the high products run in chains of four mma from zero. A matrix unit aligns the terms of an addition to the largest
// and cuts them off: Fasi et al. 2021 (PeerJ CS 7:e330) find one bit more than binary32's kept on sm_80, additions of 4 products
// to the sum, so at most 6 u of the chain's sum of |products| an addition, 48 u a chain; the chains of a row end in ordinary
// additions. The low products are 2^-11 as large and have sums of their own, so what is cut off them does not count. With q's scaling
// and exp2's factor 12 + 48 + W/32 + 3 = 65 u for W = 64; Attention.java allows W + 3 = 67 u. In the output: parts 12 u, a
// chain of one 32-key tile 6 u * 2 for each started 8 keys, exp2 and its argument about 6 u, the running sum 2 u a tile; allowed
// are 2 n + 40 u, more than that for every n.
template <int W>
struct Tf32Parts {
  static_assert(W == 64, "the order of pieces and the output's columns are made for rows of 64");
  using Element = float;
  static constexpr int PIECES = W / 4;  // of 16 bytes in a row

  uint32_t high[W / 8][4], low[W / 8][4];  // the queries
  float y[W / 8][4];  // [i][0]: row g, column 16t + i; [i][1]: 8 further; [i][2..3]: row g + 8

  // scores() reads 4 pieces of rows 2i and 2i+1 at a time, add() two pieces of rows 2t, or 2t+1, t = 0..3.
  FOVEA_DEVICE static int place(int row, int piece) {
    return row * PIECES + (piece ^ (((row ^ row >> 2) & 1) << 2 | (row >> 1 & 1)));
  }

  FOVEA_DEVICE void start(const float *row0, const float *row1, float scale, bool aligned) {
    int t = threadIdx.x % 4;
    float factor = scale * LOG2E;
#pragma unroll
    for (int j = 0; j < W / 16; j++) {
      float4 a = load4(row0 + 16 * j + 4 * t, aligned), b = load4(row1 + 16 * j + 4 * t, aligned);
      float q[8] = {a.x, b.x, a.y, b.y, a.z, b.z, a.w, b.w};
#pragma unroll
      for (int i = 0; i < 8; i++)
        tf32_parts(q[i] * factor, high[2 * j + i / 4][i % 4], low[2 * j + i / 4][i % 4]);
    }
#pragma unroll
    for (int i = 0; i < W / 8; i++) y[i][0] = y[i][1] = y[i][2] = y[i][3] = 0;
  }

  template <bool WHOLE, int N>
  FOVEA_DEVICE void scores(float (&s)[N][4], const uint8_t *tile, int from, int count) const {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const float4 *pieces = reinterpret_cast<const float4 *>(tile);
    float small[N][4] = {};
#pragma unroll
    for (int c = 0; c < W / 32; c++) {
      float chain[N][4] = {};
#pragma unroll
      for (int j = 2 * c; j < 2 * c + 2; j++) {
#pragma unroll
        for (int i = 0; i < N; i++) {
          if (!WHOLE && 8 * i >= count) continue;
          float4 k = pieces[place(from + 8 * i + g, 4 * j + t)];
          uint32_t h0[2], h1[2], l0[2], l1[2];
          tf32_parts(k.x, h0[0], l0[0]);
          tf32_parts(k.y, h0[1], l0[1]);
          tf32_parts(k.z, h1[0], l1[0]);
          tf32_parts(k.w, h1[1], l1[1]);
          mma_tf32(small[i], high[2 * j], l0);
          mma_tf32(chain[i], high[2 * j], h0);
          mma_tf32(small[i], low[2 * j], h0);
          mma_tf32(chain[i], high[2 * j + 1], h1);
          mma_tf32(small[i], high[2 * j + 1], l1);
          mma_tf32(small[i], low[2 * j + 1], h1);
        }
      }
#pragma unroll
      for (int i = 0; i < N; i++) {
#pragma unroll
        for (int e = 0; e < 4; e++) s[i][e] = c == 0 ? chain[i][e] : s[i][e] + chain[i][e];
      }
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
#pragma unroll
      for (int e = 0; e < 4; e++) s[i][e] += small[i][e];
    }
  }

  template <bool WHOLE, int N>
  FOVEA_DEVICE void add(const float (&weight)[N][4], const float (&shrink)[2], const uint8_t *tile,
                        int from, int count) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const float4 *pieces = reinterpret_cast<const float4 *>(tile);
    // Keys 2t and 2t+1 of an n-tile, which a lane has, are columns t and t+4 of the product's first operand.
    uint32_t a[N][4], rest[N][4];
#pragma unroll
    for (int k = 0; k < N; k++) {
      tf32_parts(weight[k][0], a[k][0], rest[k][0]);
      tf32_parts(weight[k][2], a[k][1], rest[k][1]);
      tf32_parts(weight[k][1], a[k][2], rest[k][2]);
      tf32_parts(weight[k][3], a[k][3], rest[k][3]);
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float chain[4][4] = {}, small[4][4] = {};
#pragma unroll
      for (int k = 0; k < N; k++) {
        if (!WHOLE && 8 * k >= count) continue;
        int row = from + 8 * k + 2 * t;
        float4 v0 = pieces[place(row, 2 * g + half)], v1 = pieces[place(row + 1, 2 * g + half)];
        const float v[4][2] = {{v0.x, v1.x}, {v0.y, v1.y}, {v0.z, v1.z}, {v0.w, v1.w}};
#pragma unroll
        for (int i = 0; i < 4; i++) {
          uint32_t h[2], l[2];
          tf32_parts(v[i][0], h[0], l[0]);
          tf32_parts(v[i][1], h[1], l[1]);
          mma_tf32(small[i], a[k], l);
          mma_tf32(chain[i], a[k], h);
          mma_tf32(small[i], rest[k], h);
        }
      }
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float(&to)[4] = y[4 * half + i];
#pragma unroll
        for (int e = 0; e < 4; e++) to[e] = to[e] * shrink[e / 2] + (chain[i][e] + small[i][e]);
      }
    }
  }

  FOVEA_DEVICE void store(float *row, int r, float factor, bool aligned) const {
    int t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int from = 4 * (i % 2), e = 2 * r + i / 2;
      store4(row + 16 * t + 4 * i,
             make_float4(y[from][e] * factor + 0.0f, y[from + 1][e] * factor + 0.0f,
                         y[from + 2][e] * factor + 0.0f, y[from + 3][e] * factor + 0.0f),
             aligned);
    }
  }
};
