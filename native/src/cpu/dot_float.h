// Dot products with weights of single elements: binary32, binary16 and bfloat16. One vector of partial sums walks along the row in order,
// whatever the number of rows beside it, and is then summed as a tree; that fixes the bits of every element of y. Many rows of x on
// 512-bit vectors: panel_float.h.
#pragma once

#include "dot.h"
#include "panel_float.h"
#include "vec.h"
#if defined(__ARM_NEON)
#include "dot_float_neon.h"
#endif

namespace fovea {
namespace {

// Rows of w by rows of x that the registers hold sums for.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int ROWS = 4, COLS = 6;
#else
constexpr int ROWS = 2, COLS = 4;
#endif

// ---- weights of single elements: x stays as it is ----

struct F32 {
  using Element = float;
  static Vec load(const float *p) { return Vec::load(p); }
  static Vec load(const float *p, int n) { return Vec::load(p, n); }
};
struct F16 {
  using Element = uint16_t;
  static Vec load(const uint16_t *p) { return Vec::half(p); }
  static Vec load(const uint16_t *p, int n) { return Vec::half(p, n); }
};
struct BF16 {
  using Element = uint16_t;
  static Vec load(const uint16_t *p) { return Vec::bfloat(p); }
  static Vec load(const uint16_t *p, int n) { return Vec::bfloat(p, n); }
};

template <class W>
struct Plain {
  static constexpr int R = ROWS, N = COLS, R_ALONE = 2;
#if defined(__AVX512F__)
  static constexpr bool PANELS = true;
  static constexpr int64_t STREAM = Panel::STREAM, AT_ONCE = Panel::COLUMNS;
  static int64_t panel_bytes(int64_t width) { return Panel::bytes(width); }
  static int64_t panel_x_bytes(int64_t width) { return Panel::x_bytes(width); }
  static void prepare_panel(const float *x, int64_t width, uint8_t *out) {
    Panel::pack_row(
        Panel::steps(width),
        [&](int64_t s) { return (__m512i)load16<F32>(x + 16 * s, width - 16 * s).v; }, out);
  }
  static void unpack(const uint8_t *w, int64_t rows, int64_t width, uint8_t *panel) {
    Panel::pack(
        rows, Panel::steps(width),
        [&](int64_t o, int64_t s) {
          auto *p = at(w, o * row_bytes(width), 16 * s);
          Panel::fetch(p);
          return (__m512i)load16<W>(p, width - 16 * s).v;
        },
        panel);
  }
  static void multiply_panel(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t width,
                             int64_t n, float *out) {
    Panel::multiply<Plain>(panel, x, x_row, width, n, out);
  }
  static void add(__m512 &sum, __m512i w, __m512i x) {
    sum = _mm512_fmadd_ps((__m512)w, (__m512)x, sum);
  }
  template <class T>
  static Vec load16(const typename T::Element *p, int64_t n) {
    return n >= 16 ? T::load(p) : T::load(p, static_cast<int>(n));
  }
#else
  static constexpr bool PANELS = false;
  static constexpr int64_t AT_ONCE = N;
#endif
  static void multiply(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    tiles<Plain>(w, rows, x, x_row, width, n, out);
  }
  static int64_t row_bytes(int64_t width) {
    return width * static_cast<int64_t>(sizeof(typename W::Element));
  }
  static int64_t x_bytes(int64_t) { return 0; }  // used in place
  static void prepare(const float *, int64_t, uint8_t *) {}

  // out[n * TILE + r * out_apart] = dot(x row n, w row r), rows of w `apart` bytes from one to the next; 0: as they are stored
  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t out_apart = 1, int64_t apart = 0) {
    if (!apart) apart = row_bytes(width);
    Vec acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] = Vec::zero();
    int64_t k = 0;
    for (; k + Vec::LANES <= width; k += Vec::LANES) {
      Vec a[RR];
      UNROLL for (int r = 0; r < RR; r++) {
        a[r] = W::load(at(w, r * apart, k));
        if constexpr (NN == 1)
          fetch_far(w + r * apart + row_bytes(k),
                    static_cast<int64_t>(Vec::LANES * sizeof(typename W::Element)));
      }
      UNROLL for (int n = 0; n < NN; n++) {
        Vec b = Vec::load(reinterpret_cast<const float *>(x + n * x_row) + k);
        UNROLL for (int r = 0; r < RR; r++) acc[r][n].fma(a[r], b);
      }
    }
    if (int rest = static_cast<int>(width - k)) {
      for (int r = 0; r < RR; r++) {
        Vec a = W::load(at(w, r * apart, k), rest);
        for (int n = 0; n < NN; n++)
          acc[r][n].fma(a, Vec::load(reinterpret_cast<const float *>(x + n * x_row) + k, rest));
      }
    }
#if defined(__AVX512F__)
    if constexpr (RR == 4) {
      UNROLL for (int n = 0; n < NN; n++)
          _mm_storeu_ps(out + n * TILE, sums16(acc[0][n].v, acc[1][n].v, acc[2][n].v, acc[3][n].v));
      return;
    }
#endif
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++)
        out[n * TILE + r * out_apart] = acc[r][n].sum();
  }

  static const typename W::Element *at(const uint8_t *w, int64_t bytes, int64_t k) {
    return reinterpret_cast<const typename W::Element *>(w + bytes) + k;
  }
};

#if defined(__AVX512BF16__)
// ---- bfloat16 weights with bfloat16 dot products: x is rounded once ----
struct DotBF16 {
  static constexpr int R = 4, N = 6, R_ALONE = 2;
  static constexpr bool PANELS = true;
  static constexpr int64_t STREAM = Panel::STREAM, AT_ONCE = Panel::COLUMNS;
  static int64_t units(int64_t width) { return (width + 1) / 2; }
  static int64_t panel_bytes(int64_t width) { return Panel::bytes(units(width)); }
  static int64_t panel_x_bytes(int64_t width) { return Panel::x_bytes(units(width)); }
  static void prepare_panel(const float *x, int64_t width, uint8_t *out) {
    Panel::pack_row(
        Panel::steps(units(width)),
        [&](int64_t s) {
          const float *p = x + 32 * s;
          auto n = static_cast<int>(width - 32 * s);
          if (n >= 32)
            return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(p + 16), _mm512_loadu_ps(p));
          __m512 low = Vec::load(p, n < 16 ? n : 16).v;
          __m512 high = n > 16 ? Vec::load(p + 16, n - 16).v : _mm512_setzero_ps();
          return (__m512i)_mm512_cvtne2ps_pbh(high, low);
        },
        out);
  }
  static void unpack(const uint8_t *w, int64_t rows, int64_t width, uint8_t *panel) {
    Panel::pack(
        rows, Panel::steps(units(width)),
        [&](int64_t o, int64_t s) {
          const uint8_t *p = w + o * row_bytes(width) + 64 * s;
          Panel::fetch(p);
          int64_t n = width - 32 * s;
          return n >= 32 ? _mm512_loadu_si512(p)
                         : _mm512_maskz_loadu_epi16((__mmask32{1} << n) - 1, p);
        },
        panel);
  }
  static void multiply_panel(const uint8_t *panel, const uint8_t *x, int64_t x_row, int64_t width,
                             int64_t n, float *out) {
    Panel::multiply<DotBF16>(panel, x, x_row, units(width), n, out);
  }
  static void add(__m512 &sum, __m512i w, __m512i x) {
    sum = _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)x);
  }
  static void multiply(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row,
                       int64_t width, int64_t n, float *out) {
    tiles<DotBF16>(w, rows, x, x_row, width, n, out);
  }
  static int64_t row_bytes(int64_t width) { return width * 2; }
  static int64_t x_bytes(int64_t width) { return align64(width * 2); }
  static void prepare(const float *x, int64_t width, uint8_t *out) {
    for (int64_t i = 0; i < x_bytes(width) / 2; i += 16) {
      int64_t n = width - i < 16 ? width - i : 16;
      __m512 v = n > 0 ? _mm512_maskz_loadu_ps(Vec::mask(static_cast<int>(n)), x + i)
                       : _mm512_setzero_ps();
      _mm256_store_si256((__m256i *)(out + i * 2), (__m256i)_mm512_cvtneps_pbh(v));
    }
  }
  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t out_apart = 1, int64_t apart = 0) {
    if (!apart) apart = row_bytes(width);
    __m512 acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] =
        _mm512_setzero_ps();
    for (int64_t k = 0; k < width; k += 32) {
      __m512bh a[RR];
      if (k + 32 <= width) {
        UNROLL for (int r = 0; r < RR; r++) {
          a[r] = (__m512bh)_mm512_loadu_si512(w + r * apart + k * 2);
          if constexpr (NN == 1) fetch_far(w + r * apart + k * 2, 64);
        }
      } else {
        __mmask32 mask = (1u << (width - k)) - 1;
        UNROLL for (int r = 0; r < RR; r++) a[r] =
            (__m512bh)_mm512_maskz_loadu_epi16(mask, w + r * apart + k * 2);
      }
      UNROLL for (int n = 0; n < NN; n++) {
        __m512bh b = (__m512bh)_mm512_load_si512(x + n * x_row + k * 2);
        UNROLL for (int r = 0; r < RR; r++) acc[r][n] = _mm512_dpbf16_ps(acc[r][n], a[r], b);
      }
    }
    if constexpr (RR == 4) {
      UNROLL for (int n = 0; n < NN; n++)
          _mm_storeu_ps(out + n * TILE, sums16(acc[0][n], acc[1][n], acc[2][n], acc[3][n]));
    } else {
      UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++)
          out[n * TILE + r * out_apart] = sum16(acc[r][n]);
    }
  }
};
#endif

}  // namespace
}  // namespace fovea
