// Dot products with Q8_0, Q4_0 and Q4_G128 weights: x is rounded to eight bits per block of 32 (d = max|x|/127) and blocks of 32 are
// multiplied in whole numbers, also where 128 weights share a scale and a zero point.
#pragma once

#include "dot.h"

namespace fovea {
namespace {

// How weights are stored. Blocks of 32 are what is multiplied; a stored block holds SPAN of them.
template <class B>
struct Stored {
  static constexpr bool FOUR = !std::is_same_v<B, fovea_q8_0>;       // bits
  static constexpr bool GROUPED = std::is_same_v<B, fovea_q4_g128>;  // with a zero point of its own
  static constexpr int64_t SPAN = GROUPED ? FOVEA_GROUP / FOVEA_BLOCK : 1;
  static constexpr int64_t BYTES = sizeof(B);
  static constexpr int64_t HEAD = GROUPED ? 4 : 2;  // bytes before the weights
  static int64_t row_bytes(int64_t width) { return width / (FOVEA_BLOCK * SPAN) * BYTES; }
};

#if defined(__AVX512VNNI__)
// An element of y is the sum over blocks of the exact whole-number dot product, made a float, times the product of both
// scales. Block b adds to partial sum b mod 16; the sixteen are then added as a tree. Two loops keep to that order:
//
//   multiply        few rows of x: along a row of w, sixteen blocks at a time, each a lane of one vector of partial sums.
//                   Reads w once, at the speed of memory.
//   multiply_panel  many rows of x: 32 rows of w are the lanes of two vectors. They have been unpacked to bytes (second-level
//                   cache) in the order in which the dot products eat them; the partial sums of a tile stay in the first.
//
// The dot product instruction multiplies unsigned by signed bytes: weights keep their zero at 8, 128 or their own zero point, and so
// many times the sum of the block's activations is taken off again, in whole numbers.
template <class B>
struct Quantized : Stored<B> {
  using Stored<B>::FOUR, Stored<B>::GROUPED, Stored<B>::SPAN, Stored<B>::BYTES, Stored<B>::HEAD,
      Stored<B>::row_bytes;
  static constexpr int ZERO = GROUPED ? 1 : FOUR ? 8 : 128;
  static constexpr int BLOCKS = 16;  // of a group, as many as lanes
  static constexpr int64_t GROUP_BYTES = BLOCKS / SPAN * BYTES;
  static constexpr int N = 4;         // rows of x for which a group of weights is decoded once
  static constexpr int COLUMNS = 12;  // rows of x in a tile of a panel: 24 KB of partial sums
  static constexpr int64_t AT_ONCE = 96;
  static constexpr bool PANELS = true;
  static constexpr int64_t STREAM = 4;

  // Block b of a group is lane 4 (b mod 4) + b / 4: where summing quarters by unpacking leaves it.
  static constexpr int lane_of(int b) { return 4 * (b % 4) + b / 4; }

  // Sixteen blocks of one row of activations.
  struct Group {
    int8_t q[4][2][4][16];  // block 4m+j: its first half at [m][0][j], its second at [m][1][j]
    float d[BLOCKS];        // by lane
    int32_t
        offset[BLOCKS];  // by lane: -ZERO times the sum of q, which fits 16 bits where ZERO is 1
  };

  static int64_t x_bytes(int64_t width) {
    return (width / FOVEA_BLOCK + BLOCKS - 1) / BLOCKS * static_cast<int64_t>(sizeof(Group));
  }
  static const Group *groups(const uint8_t *x) { return reinterpret_cast<const Group *>(x); }

  static void prepare(const float *x, int64_t width, uint8_t *out) {
    auto *groups = reinterpret_cast<Group *>(out);
    int64_t count = width / FOVEA_BLOCK;
    if (count % BLOCKS != 0) memset(groups + count / BLOCKS, 0, sizeof(Group));
    const __m512 sign = _mm512_set1_ps(-0.f);
    for (int64_t i = 0; i < count; i++, x += FOVEA_BLOCK) {
      Group &g = groups[i / BLOCKS];
      int b = static_cast<int>(i % BLOCKS);
      __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
      float most = _mm512_reduce_max_ps(
          _mm512_max_ps(_mm512_andnot_ps(sign, low), _mm512_andnot_ps(sign, high)));
      float inverse = most > 0 ? 127.f / most : 0.f;
      if (most > 0 && most < 1e-30f) {  // 127 / most may be infinite
        low = _mm512_mul_ps(low, _mm512_set1_ps(0x1p64f));
        high = _mm512_mul_ps(high, _mm512_set1_ps(0x1p64f));
        inverse = 127.f / (most * 0x1p64f);
      }
      // What is not a number becomes the least int, and -128 as a byte: some number, and no overflow of the sum.
      const __m512i least = _mm512_set1_epi32(-128);
      __m512 scale = _mm512_set1_ps(inverse);
      __m512i l = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(low, scale)), least);
      __m512i h = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(high, scale)), least);
      _mm_store_si128((__m128i *)g.q[b / 4][0][b % 4], _mm512_cvtsepi32_epi8(l));
      _mm_store_si128((__m128i *)g.q[b / 4][1][b % 4], _mm512_cvtsepi32_epi8(h));
      g.d[lane_of(b)] = most / 127.f;
      g.offset[lane_of(b)] = -ZERO * _mm512_reduce_add_epi32(_mm512_add_epi32(l, h));
    }
  }

  static __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

  // Four times sixteen bytes to the quarters of a vector: loads that merge need no shuffle.
  static __m512i quarters(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d) {
    __m512i v = _mm512_broadcast_i32x4(load16(a));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, load16(b));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, load16(c));
    return _mm512_mask_broadcast_i32x4(v, 0xf000, load16(d));
  }

  // A group of weights: w[2m] and w[2m+1] are the first and second halves of blocks 4m .. 4m+3. Returns the scales by lane, and in
  // `zeros` the zero points, where weights have them.
  static __m512 decode(const uint8_t *p, __m512i w[8], [[maybe_unused]] __m512i &zeros) {
    if constexpr (GROUPED) {
      const __m512i nibble = _mm512_set1_epi8(15);
      int32_t heads[4];
      UNROLL for (int m = 0; m < 4; m++, p += BYTES) {
        memcpy(&heads[m], p, 4);
        __m512i both = _mm512_loadu_si512(p + HEAD);
        w[2 * m] = _mm512_and_si512(both, nibble);
        w[2 * m + 1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
      }
      __m128i four = _mm_setr_epi32(heads[0], heads[1], heads[2], heads[3]);
      __m128i halves = _mm_and_si128(four, _mm_set1_epi32(0xffff));
      zeros = _mm512_broadcast_i32x4(_mm_srli_epi32(four, 16));
      return _mm512_broadcast_f32x4(_mm_cvtph_ps(_mm_packus_epi32(halves, halves)));
    } else {
      return decode32(p, w);
    }
  }

  static __m512 decode32(const uint8_t *p, __m512i w[8]) {
    __m512i scales = _mm512_setzero_si512();
    UNROLL for (int m = 0; m < 4; m++, p += 4 * BYTES) {
      __mmask32 lanes = static_cast<__mmask32>(0x1111 << m);
      __m512i first = _mm512_loadu_si512(p);
      if constexpr (FOUR) {
        // Blocks are nine pairs of bytes apart: the scale, then eight pairs of weights.
        const __m512i pairs =
            _mm512_set_epi16(35, 34, 33, 32, 31, 30, 29, 28, 26, 25, 24, 23, 22, 21, 20, 19, 17, 16,
                             15, 14, 13, 12, 11, 10, 8, 7, 6, 5, 4, 3, 2, 1);
        const __m512i at = _mm512_castsi256_si512(
            _mm256_setr_epi16(0, 0, 0, 0, 9, 9, 9, 9, 18, 18, 18, 18, 27, 27, 27, 27));
        const __m512i nibble = _mm512_set1_epi8(15);
        __m512i rest = _mm512_castsi128_si512(_mm_loadl_epi64((const __m128i *)(p + 64)));
        __m512i both = _mm512_permutex2var_epi16(first, pairs, rest);
        w[2 * m] = _mm512_and_si512(both, nibble);
        w[2 * m + 1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
        scales = _mm512_mask_permutexvar_epi16(scales, lanes, at, first);
      } else {
        const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
        const __m512i at = _mm512_castsi256_si512(
            _mm256_setr_epi16(0, 0, 0, 0, 17, 17, 17, 17, 34, 34, 34, 34, 51, 51, 51, 51));
        const uint8_t *q = p + 2;
        w[2 * m] = _mm512_xor_si512(quarters(q, q + 34, q + 68, q + 102), flip);
        q += 16;
        w[2 * m + 1] = _mm512_xor_si512(quarters(q, q + 34, q + 68, q + 102), flip);
        scales = _mm512_or_si512(
            scales, _mm512_maskz_permutex2var_epi16(lanes, first, at, _mm512_loadu_si512(p + 64)));
      }
    }
    return _mm512_cvtph_ps(_mm512_castsi512_si256(scales));
  }

  // Products of whole numbers from weights that kept their zero. Zero points are multiplied as pairs of 16 bits, the second 0.
  static __m512i less_zeros(__m512i sum, [[maybe_unused]] const __m512i &zeros, __m512i offset) {
    if constexpr (GROUPED) {
      return _mm512_dpwssd_epi32(sum, zeros, offset);
    } else {
      return _mm512_add_epi32(sum, offset);
    }
  }

  // The dot products of a group by lane. Lanes within a quarter of the products belong to one block.
  static __m512 dots(const __m512i w[8], [[maybe_unused]] const __m512i &zeros, const Group &a) {
    __m512i s[4];
    UNROLL for (int m = 0; m < 4; m++) {
      s[m] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w[2 * m], _mm512_load_si512(a.q[m][0]));
      s[m] = _mm512_dpbusd_epi32(s[m], w[2 * m + 1], _mm512_load_si512(a.q[m][1]));
    }
    __m512i p =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
    __m512i q =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
    __m512i sum = _mm512_add_epi32(_mm512_unpacklo_epi64(p, q), _mm512_unpackhi_epi64(p, q));
    return _mm512_cvtepi32_ps(less_zeros(sum, zeros, _mm512_load_si512(a.offset)));
  }

  // RR rows of w, `apart` bytes from one to the next.
  template <int RR, int NN>
  static void rows(const uint8_t *w, int64_t apart, const uint8_t *x, int64_t x_row, int64_t width,
                   float *out, int64_t out_apart) {
    int64_t count = width / FOVEA_BLOCK, whole = count / BLOCKS;
    __m512 acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] =
        _mm512_setzero_ps();
    for (int64_t g = 0; g < whole; g++) {
      UNROLL for (int r = 0; r < RR; r++) {
        const uint8_t *group = w + r * apart + g * GROUP_BYTES;
        fetch_far(group, GROUP_BYTES);
        __m512i weights[8], zeros;
        __m512 scales = decode(group, weights, zeros);
        UNROLL for (int n = 0; n < NN; n++) {
          const Group &a = groups(x + n * x_row)[g];
          acc[r][n] = _mm512_fmadd_ps(dots(weights, zeros, a),
                                      _mm512_mul_ps(scales, _mm512_load_ps(a.d)), acc[r][n]);
        }
      }
    }
    if (int rest =
            static_cast<int>(count % BLOCKS)) {  // the same, on a copy that does not end early
      __mmask16 there = 0;
      for (int b = 0; b < rest; b++) there = static_cast<__mmask16>(there | 1u << lane_of(b));
      UNROLL for (int r = 0; r < RR; r++) {
        alignas(64) uint8_t copy[GROUP_BYTES] = {};
        memcpy(copy, w + r * apart + whole * GROUP_BYTES, static_cast<size_t>(rest / SPAN * BYTES));
        __m512i weights[8], zeros;
        __m512 scales = decode(copy, weights, zeros);
        UNROLL for (int n = 0; n < NN; n++) {
          const Group &a = groups(x + n * x_row)[whole];
          acc[r][n] =
              _mm512_mask3_fmadd_ps(dots(weights, zeros, a),
                                    _mm512_mul_ps(scales, _mm512_load_ps(a.d)), acc[r][n], there);
        }
      }
    }
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++)
        out[n * TILE + r * out_apart] = sum16(acc[r][n]);
  }

  // Two rows at a time, from either half: memory gives two streams a thread more than one, and more than four (docs/perf/cpu.md).
  static void multiply(const uint8_t *w, int64_t rows_, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    int64_t half = rows_ / 2, row = row_bytes(width);
    for (int64_t t = 0; t < n; t += N) {
      with_count<N>(n - t < N ? n - t : N, [&](auto columns) {
        float *y = out + t * TILE;
        for (int64_t o = 0; o < half; o++)
          rows<2, columns>(w + o * row, half * row, x + t * x_row, x_row, width, y + o, half);
        if (int64_t last = 2 * half; last < rows_)
          rows<1, columns>(w + last * row, 0, x + t * x_row, x_row, width, y + last, 0);
      });
    }
  }

  // A block of a panel: 32 scales, 32 zero points if there are any, then for every four columns four bytes of each of the 32 rows.
  static constexpr int64_t PANEL_HEAD = TILE * 4 * (GROUPED ? 2 : 1);
  static constexpr int64_t PANEL_BLOCK = PANEL_HEAD + TILE * FOVEA_BLOCK;
  static constexpr int64_t AHEAD = 512;  // bytes along a row, 28 blocks of four bits
  static int64_t panel_bytes(int64_t width) { return width / FOVEA_BLOCK * PANEL_BLOCK; }
  static int64_t panel_x_bytes(int64_t width) { return x_bytes(width); }  // the same for both
  static void prepare_panel(const float *x, int64_t width, uint8_t *out) { prepare(x, width, out); }

  // Sixteen bytes of sixteen rows to four vectors: z[i] has bytes 4i .. 4i+3 of every row.
  static void transpose(const uint8_t *const row[16], int64_t at, __m512i z[4]) {
    __m512i v[4];
    UNROLL for (int i = 0; i < 4; i++) v[i] =
        quarters(row[i] + at, row[4 + i] + at, row[8 + i] + at, row[12 + i] + at);
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    z[0] = _mm512_unpacklo_epi64(a, c);
    z[1] = _mm512_unpackhi_epi64(a, c);
    z[2] = _mm512_unpacklo_epi64(b, d);
    z[3] = _mm512_unpackhi_epi64(b, d);
  }

  static void unpack(const uint8_t *w, int64_t rows, int64_t width, uint8_t *panel) {
    const uint8_t *row[TILE];  // past the end: any row, its sums are not used
    for (int64_t o = 0; o < TILE; o++) row[o] = w + (o < rows ? o : rows - 1) * row_bytes(width);
    const int64_t end = row_bytes(width);
    int64_t fetched = 0;
    for (int64_t b = 0; b < width / FOVEA_BLOCK; b++, panel += PANEL_BLOCK) {
      int64_t at = b / SPAN * BYTES, first = at + HEAD + b % SPAN * 16;
      // 32 streams are more than the processor sees by itself.
      for (; fetched <= at && fetched + AHEAD < end; fetched += 64) {
        for (int64_t o = 0; o < TILE; o++) _mm_prefetch(row[o] + fetched + AHEAD, _MM_HINT_T0);
      }
      for (int half = 0; half < 2; half++) {
        const uint8_t *const *sixteen = row + 16 * half;
        alignas(32) uint16_t d[16];
        for (int i = 0; i < 16; i++) memcpy(&d[i], sixteen[i] + at, 2);
        _mm512_store_ps(panel + 64 * half, _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)d)));
        if constexpr (GROUPED) {
          for (int i = 0; i < 16; i++) memcpy(&d[i], sixteen[i] + at + 2, 2);
          _mm512_store_si512(panel + TILE * 4 + 64 * half,
                             _mm512_cvtepu16_epi32(_mm256_load_si256((const __m256i *)d)));
        }
        uint8_t *to = panel + PANEL_HEAD + 64 * half;
        __m512i z[4];
        transpose(sixteen, first, z);
        if constexpr (FOUR) {
          const __m512i nibble = _mm512_set1_epi8(15);
          UNROLL for (int i = 0; i < 4; i++) {
            _mm512_store_si512(to + i * 128, _mm512_and_si512(z[i], nibble));
            _mm512_store_si512(to + (4 + i) * 128,
                               _mm512_and_si512(_mm512_srli_epi16(z[i], 4), nibble));
          }
        } else {
          const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
          UNROLL for (int i = 0; i < 4; i++)
              _mm512_store_si512(to + i * 128, _mm512_xor_si512(z[i], flip));
          transpose(sixteen, first + 16, z);
          UNROLL for (int i = 0; i < 4; i++)
              _mm512_store_si512(to + (4 + i) * 128, _mm512_xor_si512(z[i], flip));
        }
      }
    }
  }

  // Twelve rows side by side are more than the processor follows: of each, the next group is asked for a part per block.
  static constexpr int64_t PER_BLOCK = sizeof(Group) / BLOCKS;

  // Columns 4k .. 4k+3 of block b of a group.
  static __m512i four_of(const Group &a, int b, int k) {
    int32_t bytes;
    memcpy(&bytes, a.q[b / 4][k / 4][b % 4] + k % 4 * 4, 4);
    return _mm512_set1_epi32(bytes);
  }

  static void panel_tile(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t count,
                         int64_t n, float *out) {
    alignas(64) float part[BLOCKS][COLUMNS][TILE];  // by lane, row of x, row of w
    memset(part, 0, sizeof part);
    for (int64_t i = 0; i < count; i++, panel += PANEL_BLOCK) {
      __m512i w[16];
      UNROLL for (int k = 0; k < 16; k++) w[k] = _mm512_load_si512(panel + PANEL_HEAD + 64 * k);
      __m512 d0 = _mm512_load_ps(panel), d1 = _mm512_load_ps(panel + 64);
      __m512i none = _mm512_setzero_si512(), z0 = none, z1 = none;
      if constexpr (GROUPED) {
        z0 = _mm512_load_si512(panel + TILE * 4);
        z1 = _mm512_load_si512(panel + TILE * 4 + 64);
      }
      int b = static_cast<int>(i % BLOCKS), lane = lane_of(b);
      const uint8_t *group = x + i / BLOCKS * static_cast<int64_t>(sizeof(Group));
      for (int64_t t = 0; t < n; t++, group += x_row) {
        const Group &a = *groups(group);
        _mm_prefetch(reinterpret_cast<const char *>(&a + 1) + b * PER_BLOCK, _MM_HINT_T0);
        __m512i offset = _mm512_set1_epi32(a.offset[lane]);
        // Two chains a sum: a processor holds too few waiting instructions for one of eight.
        __m512i s0 = less_zeros(none, z0, offset), s1 = less_zeros(none, z1, offset);
        __m512i r0 = none, r1 = none;
        UNROLL for (int k = 0; k < 4; k++) {
          __m512i four = four_of(a, b, k), more = four_of(a, b, 4 + k);
          s0 = _mm512_dpbusd_epi32(s0, w[2 * k], four);
          s1 = _mm512_dpbusd_epi32(s1, w[2 * k + 1], four);
          r0 = _mm512_dpbusd_epi32(r0, w[8 + 2 * k], more);
          r1 = _mm512_dpbusd_epi32(r1, w[9 + 2 * k], more);
        }
        s0 = _mm512_add_epi32(s0, r0);
        s1 = _mm512_add_epi32(s1, r1);
        __m512 d = _mm512_set1_ps(a.d[lane]);
        float *p = part[lane][t];
        _mm512_store_ps(
            p, _mm512_fmadd_ps(_mm512_cvtepi32_ps(s0), _mm512_mul_ps(d0, d), _mm512_load_ps(p)));
        _mm512_store_ps(p + 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(s1), _mm512_mul_ps(d1, d),
                                                _mm512_load_ps(p + 16)));
      }
    }
    for (int64_t t = 0; t < n; t++) {
      for (int half = 0; half < TILE; half += 16)
        _mm512_store_ps(out + t * TILE + half, tree16(part[0][t] + half, COLUMNS * TILE));
    }
  }

  static void multiply_panel(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t width,
                             int64_t n, float *out) {
    for (int64_t t = 0; t < n; t += COLUMNS)
      panel_tile(panel, x + t * x_row, x_row, width / FOVEA_BLOCK,
                 n - t < COLUMNS ? n - t : COLUMNS, out + t * TILE);
  }
};
#elif !defined(__ARM_NEON)
// Rounds 32 activations to whole numbers q with x = d q, |q| <= 127; returns d and the sum of q.
float quantize32(const float *x, int8_t *q, int32_t *sum) {
  float most = 0;
  for (int i = 0; i < FOVEA_BLOCK; i++) {
    float a = x[i] < 0 ? -x[i] : x[i];
    most = a > most ? a : most;
  }
  float d = most / 127.f;
  float inverse = most > 0x1p-120f ? 127.f / most : 0.f;  // below, x counts as zero
  int32_t s = 0;
  for (int i = 0; i < FOVEA_BLOCK; i++) {
    float v = x[i] * inverse;
    // The largest may land a hair beyond 127, since the quotient is rounded; a NaN or infinity
    // among x becomes some number.
    v = v >= -127.f ? v : -127.f;
    v = v <= 127.f ? v : 127.f;
    // Rounds to nearest even by adding 1.5 * 2^23.
    int32_t n = static_cast<int32_t>(to_bits(v + 12582912.f)) - 0x4b400000;
    q[i] = static_cast<int8_t>(n);
    s += n;
  }
  *sum = s;
  return inverse == 0.f ? 0.f : d;
}

// One block at a time; behind all q of a row, per block d and, for the vector code, what unsigned nibbles add.
template <class B>
struct Quantized : Stored<B> {
  using Stored<B>::FOUR, Stored<B>::GROUPED, Stored<B>::SPAN;
  static constexpr int R = 1, N = 4, R_ALONE = 1;
  static constexpr bool PANELS = false;
  static constexpr int64_t AT_ONCE = N;
  static void multiply(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    tiles<Quantized>(w, rows, x, x_row, width, n, out);
  }
  static int64_t x_bytes(int64_t width) { return align64(width + width / FOVEA_BLOCK * 8); }
  static void prepare(const float *x, int64_t width, uint8_t *out) {
    auto *scales = reinterpret_cast<float *>(out + width);
    for (int64_t b = 0; b < width / FOVEA_BLOCK; b++) {
      int32_t sum;
      float d =
          quantize32(x + b * FOVEA_BLOCK, reinterpret_cast<int8_t *>(out) + b * FOVEA_BLOCK, &sum);
      scales[2 * b] = d;
      scales[2 * b + 1] = -d * static_cast<float>(sum);
    }
  }

#if defined(__AVX2__)
  // part: which 32 weights of the block.
  static __m256i dot(const B &b, [[maybe_unused]] int64_t part, const uint8_t *q) {
    __m256i x = _mm256_loadu_si256((const __m256i *)q);
    __m256i w;
    if constexpr (FOUR) {
      __m128i n = _mm_loadu_si128((const __m128i *)(b.q + part * 16));
      w = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(n, 4), n), _mm256_set1_epi8(15));
    } else {
      w = _mm256_loadu_si256((const __m256i *)b.q);
    }
    __m256i products;
    if constexpr (FOUR && !GROUPED) {
      products = _mm256_maddubs_epi16(w, x);  // at most 2 * 15 * 127
    } else {
      if constexpr (GROUPED) w = _mm256_sub_epi8(w, _mm256_set1_epi8(static_cast<char>(b.z)));
      products = _mm256_maddubs_epi16(_mm256_sign_epi8(w, w),
                                      _mm256_sign_epi8(x, w));  // at most 2 * 128 * 127
    }
    return _mm256_madd_epi16(products, _mm256_set1_epi16(1));
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out) {
    static_assert(RR == 1);
    auto *blocks = reinterpret_cast<const B *>(w);
    __m256 acc[NN];
    UNROLL for (int n = 0; n < NN; n++) acc[n] = _mm256_setzero_ps();
    for (int64_t b = 0; b < width / FOVEA_BLOCK; b++) {
      const B &block = blocks[b / SPAN];
      __m256 dw = _mm256_set1_ps(from_half(block.d));
      UNROLL for (int n = 0; n < NN; n++) {
        const uint8_t *row = x + n * x_row;
        auto *s = reinterpret_cast<const float *>(row + width) + 2 * b;
        __m256 sums = _mm256_cvtepi32_ps(dot(block, b % SPAN, row + b * FOVEA_BLOCK));
        __m256 offset = FOUR && !GROUPED ? _mm256_set1_ps(s[1]) : _mm256_setzero_ps();
        acc[n] = _mm256_fmadd_ps(_mm256_fmadd_ps(sums, _mm256_set1_ps(s[0]), offset), dw, acc[n]);
      }
    }
    UNROLL for (int n = 0; n < NN; n++) out[n * TILE] = sum8(acc[n]);
  }
#else
  static int32_t weight(const B &b, [[maybe_unused]] int64_t part, int i) {
    if constexpr (GROUPED) {
      const uint8_t *q = b.q + part * 16;
      return (i < 16 ? q[i] & 15 : q[i - 16] >> 4) - b.z;
    } else if constexpr (FOUR) {
      return (i < 16 ? b.q[i] & 15 : b.q[i - 16] >> 4) - 8;
    } else {
      return b.q[i];
    }
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out) {
    static_assert(RR == 1);
    auto *blocks = reinterpret_cast<const B *>(w);
    for (int n = 0; n < NN; n++) {
      auto *q = reinterpret_cast<const int8_t *>(x + n * x_row);
      auto *s = reinterpret_cast<const float *>(x + n * x_row + width);
      float acc = 0;
      for (int64_t b = 0; b < width / FOVEA_BLOCK; b++) {
        const B &block = blocks[b / SPAN];
        int32_t dot = 0;
        for (int i = 0; i < FOVEA_BLOCK; i++)
          dot += weight(block, b % SPAN, i) * q[b * FOVEA_BLOCK + i];
        acc += static_cast<float>(dot) * s[2 * b] * from_half(block.d);
      }
      out[n * TILE] = acc;
    }
  }
#endif
};
#endif

}  // namespace
}  // namespace fovea

#if defined(__ARM_NEON)
#include "dot_quantized_neon.h"
#endif
