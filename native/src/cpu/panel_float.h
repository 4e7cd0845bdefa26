// Many rows of x by weights of single elements, on 512-bit vectors: 32 rows of w are the lanes of two vectors, so that a number of x
// is broadcast once for both and nothing is summed across lanes but at the end.
//
// Units are the four bytes that a lane multiplies at a time: a binary32 number, or two bfloat16. Unit u of a row belongs to partial sum
// u mod 16, as it does where the lanes lie along the row (dot_float.h), and the sums are added as the same tree: same bits. So both
// operands are kept with the units of a partial sum side by side:
//
//   a row of x  [16][steps] units          steps = units / 16, rounded up; 0 past the end
//   panel of w  [16][steps + 1][32 rows] units, the last step unused: powers of two apart, partial sums would share a cache's few places
#pragma once

#include "dot.h"

#if defined(__AVX512F__)

namespace fovea {
namespace {

struct Panel {
  static constexpr int COLUMNS = 12;  // rows of x whose 24 sums stay in registers
  // Making a panel takes as long as 8 to 19 rows of x, and it spares up to a quarter of a row's time, more when there are many.
  static constexpr int64_t STREAM = 96;

  static int64_t steps(int64_t units) { return (units + 15) / 16; }
  static int64_t x_bytes(int64_t units) { return steps(units) * 64; }
  static int64_t bytes(int64_t units) { return 16 * apart(steps(units)); }
  static int64_t apart(int64_t steps) { return (steps + 1) * TILE * 4; }

  // v[i] gets lane i of all sixteen.
  static void transpose(__m512i v[16]) {
    __m512i a[16], b[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
      a[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
      a[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) UNROLL for (int k = 0; k < 2; k++) {
      b[i + 2 * k] = _mm512_unpacklo_epi64(a[i + k], a[i + 2 + k]);
      b[i + 2 * k + 1] = _mm512_unpackhi_epi64(a[i + k], a[i + 2 + k]);
    }
    // Quarter q of b[4i + k] is lane 4q + k of v[4i] .. v[4i + 3].
    UNROLL for (int k = 0; k < 4; k++) {
      __m512i low = _mm512_shuffle_i32x4(b[k], b[4 + k], 0x88);
      __m512i high = _mm512_shuffle_i32x4(b[k], b[4 + k], 0xdd);
      __m512i low2 = _mm512_shuffle_i32x4(b[8 + k], b[12 + k], 0x88);
      __m512i high2 = _mm512_shuffle_i32x4(b[8 + k], b[12 + k], 0xdd);
      v[k] = _mm512_shuffle_i32x4(low, low2, 0x88);
      v[8 + k] = _mm512_shuffle_i32x4(low, low2, 0xdd);
      v[4 + k] = _mm512_shuffle_i32x4(high, high2, 0x88);
      v[12 + k] = _mm512_shuffle_i32x4(high, high2, 0xdd);
    }
  }

  // load(step) gives units 16 step .. 16 step + 15.
  template <class F>
  static void pack_row(int64_t steps, F &&load, uint8_t *out) {
    for (int64_t s = 0; s < steps; s += 16) {
      int64_t count = steps - s < 16 ? steps - s : 16;
      __m512i v[16];
      UNROLL for (int i = 0; i < 16; i++) v[i] = i < count ? load(s + i) : _mm512_setzero_si512();
      transpose(v);
      auto there = static_cast<__mmask16>((1u << count) - 1);
      UNROLL for (int i = 0; i < 16; i++)
          _mm512_mask_storeu_epi32(out + (i * steps + s) * 4, there, v[i]);
    }
  }

  // 32 streams are more than the processor sees by itself.
  static void fetch(const void *p) {
    _mm_prefetch(static_cast<const char *>(p) + 512, _MM_HINT_T0);
  }

  // load(row, step) gives units of a row of w; rows past the end count as the last, their sums are not used.
  template <class F>
  static void pack(int64_t rows, int64_t steps, F &&load, uint8_t *panel) {
    for (int64_t s = 0; s < steps; s++) {
      for (int half = 0; half < 2; half++) {
        __m512i v[16];
        UNROLL for (int i = 0; i < 16; i++) {
          int64_t o = half * 16 + i;
          v[i] = load(o < rows ? o : rows - 1, s);
        }
        transpose(v);
        UNROLL for (int i = 0; i < 16; i++)
            _mm512_store_si512(panel + i * apart(steps) + s * 128 + half * 64, v[i]);
      }
    }
  }

  // out[n][o] = dot(x row n, row o of the panel); Dot::add adds products of units to a vector of sums.
  template <class Dot, int N>
  static void tile(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t steps,
                   float *out) {
    alignas(64) float part[16][N][TILE];
    for (int p = 0; p < 16; p++) {
      __m512 sums[N][2];
      UNROLL for (int n = 0; n < N; n++) sums[n][0] = sums[n][1] = _mm512_setzero_ps();
      const uint8_t *w = panel + p * apart(steps), *end = w + steps * 128;
      const uint8_t *thirds[(N + 2) / 3];  // every third row: no more addresses than registers
      UNROLL for (int n = 0; n < N; n += 3) thirds[n / 3] = x + n * x_row + p * steps * 4;
      for (; w < end; w += 128) {
        __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
        UNROLL for (int n = 0; n < N; n++) {
          int32_t unit;
          memcpy(&unit, thirds[n / 3] + n % 3 * x_row, 4);
          __m512i one = _mm512_set1_epi32(unit);
          Dot::add(sums[n][0], w0, one);
          Dot::add(sums[n][1], w1, one);
        }
        UNROLL for (int n = 0; n < N; n += 3) thirds[n / 3] += 4;
      }
      UNROLL for (int n = 0; n < N; n++) UNROLL for (int half = 0; half < 2; half++)
          _mm512_store_ps(part[p][n] + 16 * half, sums[n][half]);
    }
    UNROLL for (int n = 0; n < N; n++) UNROLL for (int half = 0; half < 2; half++)
        _mm512_store_ps(out + n * TILE + 16 * half, tree16(part[0][n] + 16 * half, N * TILE));
  }

  template <class Dot>
  static void multiply(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t units,
                       int64_t n, float *out) {
    for (int64_t t = 0; t < n; t += COLUMNS)
      with_count<COLUMNS>(n - t < COLUMNS ? n - t : COLUMNS, [&](auto columns) {
        tile<Dot, columns>(panel, x + t * x_row, x_row, steps(units), out + t * TILE);
      });
  }
};

}  // namespace
}  // namespace fovea

#endif
