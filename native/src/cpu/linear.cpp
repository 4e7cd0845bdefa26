// Linear maps and what may follow them: linear, linear_add, linear_quick_gelu, linear_gelu, swiglu.
//
// y[t][o] = dot(x[t], w[o]) for all rows t and outputs o. Weights are read as stored: a tile of 32 weight rows is handed to
// a thread, stays in its second-level cache and meets all rows of x, a few at a time. Every dot product has one vector of
// partial sums that walks along the row in order, so its bits depend neither on the number of threads nor on how many rows
// of x there are. Where weights are quantized, x is rounded to eight bits per block of 32 (d = max|x|/127) and blocks are
// multiplied in whole numbers; where they are bfloat16 and the machine has the dot product for it, x is rounded to that.
//
// Traffic: w once per run (x and y are small beside it); for one row of x this is the whole cost.

#include <math.h>

#include <type_traits>

#include "math.h"
#include "run.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fovea {
namespace {

constexpr int64_t TILE = 32;  // weight rows handed out at a time
constexpr int MOST = 8;       // rows of x in a register tile, at most

#define UNROLL _Pragma("GCC unroll 16")

// ---- a vector of binary32 numbers, as wide as the tier has ----

#if defined(__AVX512F__)
struct Vec {
  static constexpr int LANES = 16;
  __m512 v;
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec load(const float *p) { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float *p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static Vec half(const uint16_t *p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))};
  }
  static Vec half(const uint16_t *p, int n) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p))};
  }
  static Vec bfloat(const uint16_t *p) { return widen(_mm256_loadu_si256((const __m256i *)p)); }
  static Vec bfloat(const uint16_t *p, int n) {
    return widen(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Vec widen(__m256i h) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
  }
  void fma(Vec a, Vec b) { v = _mm512_fmadd_ps(a.v, b.v, v); }
  float sum() const { return _mm512_reduce_add_ps(v); }
};
constexpr int ROWS = 4, COLS = 4;
#elif defined(__AVX2__)
float sum8(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
struct Vec {
  static constexpr int LANES = 8;
  __m256 v;
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec load(const float *p) { return {_mm256_loadu_ps(p)}; }
  static Vec half(const uint16_t *p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p))};
  }
  static Vec bfloat(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
  }
  static Vec load(const float *p, int n) {
    float whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return load(whole);
  }
  static Vec half(const uint16_t *p, int n) {
    uint16_t whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return half(whole);
  }
  static Vec bfloat(const uint16_t *p, int n) {
    uint16_t whole[8] = {};
    for (int i = 0; i < n; i++) whole[i] = p[i];
    return bfloat(whole);
  }
  void fma(Vec a, Vec b) { v = _mm256_fmadd_ps(a.v, b.v, v); }
  float sum() const { return sum8(v); }
};
constexpr int ROWS = 2, COLS = 4;
#else
struct Vec {
  static constexpr int LANES = 1;
  float v;
  static Vec zero() { return {0.f}; }
  static Vec load(const float *p, int = 1) { return {*p}; }
  static Vec half(const uint16_t *p, int = 1) { return {from_half(*p)}; }
  static Vec bfloat(const uint16_t *p, int = 1) { return {from_bfloat(*p)}; }
  void fma(Vec a, Vec b) { v += a.v * b.v; }
  float sum() const { return v; }
};
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
  static constexpr int R = ROWS, N = COLS;
  static int64_t row_bytes(int64_t width) {
    return width * static_cast<int64_t>(sizeof(typename W::Element));
  }
  static int64_t x_bytes(int64_t) { return 0; }  // used in place
  static void prepare(const float *, int64_t, uint8_t *) {}

  // out[n * ld + r] = dot(x row n, w row r)
  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t ld) {
    Vec acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] = Vec::zero();
    int64_t stride = row_bytes(width);
    int64_t k = 0;
    for (; k + Vec::LANES <= width; k += Vec::LANES) {
      Vec a[RR];
      UNROLL for (int r = 0; r < RR; r++) a[r] = W::load(at(w, r * stride, k));
      UNROLL for (int n = 0; n < NN; n++) {
        Vec b = Vec::load(reinterpret_cast<const float *>(x + n * x_row) + k);
        UNROLL for (int r = 0; r < RR; r++) acc[r][n].fma(a[r], b);
      }
    }
    if (int rest = static_cast<int>(width - k)) {
      for (int r = 0; r < RR; r++) {
        Vec a = W::load(at(w, r * stride, k), rest);
        for (int n = 0; n < NN; n++)
          acc[r][n].fma(a, Vec::load(reinterpret_cast<const float *>(x + n * x_row) + k, rest));
      }
    }
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) out[n * ld + r] =
        acc[r][n].sum();
  }

  static const typename W::Element *at(const uint8_t *w, int64_t bytes, int64_t k) {
    return reinterpret_cast<const typename W::Element *>(w + bytes) + k;
  }
};

#if defined(__AVX512BF16__)
// ---- bfloat16 weights with bfloat16 dot products: x is rounded once ----
struct DotBF16 {
  static constexpr int R = 4, N = 4;
  static int64_t row_bytes(int64_t width) { return width * 2; }
  static int64_t x_bytes(int64_t width) { return align64(width * 2); }
  static void prepare(const float *x, int64_t width, uint8_t *out) {
    auto *to = reinterpret_cast<uint16_t *>(out);
    for (int64_t i = 0; i < width; i++) to[i] = to_bfloat(x[i]);
    for (int64_t i = width; i < x_bytes(width) / 2; i++) to[i] = 0;
  }
  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t ld) {
    __m512 acc[RR][NN];
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) acc[r][n] =
        _mm512_setzero_ps();
    for (int64_t k = 0; k < width; k += 32) {
      __m512bh a[RR];
      if (k + 32 <= width) {
        UNROLL for (int r = 0; r < RR; r++) a[r] =
            (__m512bh)_mm512_loadu_si512(w + r * width * 2 + k * 2);
      } else {
        __mmask32 mask = (1u << (width - k)) - 1;
        UNROLL for (int r = 0; r < RR; r++) a[r] =
            (__m512bh)_mm512_maskz_loadu_epi16(mask, w + r * width * 2 + k * 2);
      }
      UNROLL for (int n = 0; n < NN; n++) {
        __m512bh b = (__m512bh)_mm512_load_si512(x + n * x_row + k * 2);
        UNROLL for (int r = 0; r < RR; r++) acc[r][n] = _mm512_dpbf16_ps(acc[r][n], a[r], b);
      }
    }
    UNROLL for (int r = 0; r < RR; r++) UNROLL for (int n = 0; n < NN; n++) out[n * ld + r] =
        _mm512_reduce_add_ps(acc[r][n]);
  }
};
#endif

// ---- quantized weights ----

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

#if defined(__AVX512VNNI__)
// Two blocks at a time: 16 lanes of four weights each, even lanes from the first block, odd from the second, so that the
// two scales are one broadcast. Weights are taken as unsigned (a nibble; a byte plus 128) and what that adds, 8 or 128
// times the sum of the activations, is taken off each lane in equal parts.
template <bool FOUR>
struct Quantized {
  using Block = std::conditional_t<FOUR, fovea_q4_0, fovea_q8_0>;
  static constexpr int R = 1, N = MOST;
  static constexpr float OFFSET = FOUR ? 8.f / 8 : 128.f / 8;  // per lane of eight
  static int64_t row_bytes(int64_t width) {
    return width / FOVEA_BLOCK * static_cast<int64_t>(sizeof(Block));
  }
  static int64_t pairs(int64_t width) { return (width + 63) / 64; }
  static int64_t x_bytes(int64_t width) { return align64(pairs(width) * 80); }

  // Per pair 64 bytes of q in the weights' order; behind all q, per pair d0, d1, offset0, offset1.
  static void prepare(const float *x, int64_t width, uint8_t *out) {
    int64_t n = pairs(width);
    auto *scales = reinterpret_cast<float *>(out + n * 64);
    for (int64_t p = 0; p < n; p++) {
      alignas(64) int8_t q[2][FOVEA_BLOCK] = {};
      for (int half = 0; half < 2; half++) {
        float d = 0;
        int32_t sum = 0;
        if (p * 64 + half * 32 < width) d = quantize32(x + p * 64 + half * 32, q[half], &sum);
        scales[p * 4 + half] = d;
        scales[p * 4 + 2 + half] = -d * static_cast<float>(sum) * OFFSET;
      }
      for (int lane = 0; lane < 16; lane++)
        memcpy(out + p * 64 + lane * 4, &q[lane & 1][(lane >> 3) * 16 + (lane >> 1 & 3) * 4], 4);
    }
  }

  static __m512i weights(const Block *b, bool second) {
    if constexpr (FOUR) {
      __m128i n0 = _mm_loadu_si128((const __m128i *)b[0].q);
      __m128i n1 = second ? _mm_loadu_si128((const __m128i *)b[1].q) : _mm_setzero_si128();
      __m256i n = _mm256_set_m128i(_mm_unpackhi_epi32(n0, n1), _mm_unpacklo_epi32(n0, n1));
      __m256i low = _mm256_and_si256(n, _mm256_set1_epi8(15));
      __m256i high = _mm256_and_si256(_mm256_srli_epi16(n, 4), _mm256_set1_epi8(15));
      return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    } else {
      __m256i w0 = _mm256_loadu_si256((const __m256i *)b[0].q);
      __m256i w1 = second ? _mm256_loadu_si256((const __m256i *)b[1].q) : _mm256_setzero_si256();
      __m512i z = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_unpacklo_epi32(w0, w1)),
                                     _mm256_unpackhi_epi32(w0, w1), 1);
      z = _mm512_shuffle_i64x2(z, z, 0xd8);  // quarters 0, 2, 1, 3
      return _mm512_xor_si512(z, _mm512_set1_epi8(static_cast<char>(0x80)));
    }
  }

  static __m512 scales(const Block *b, bool second) {
    uint32_t both = b[0].d | (second ? static_cast<uint32_t>(b[1].d) << 16 : 0u);
    return _mm512_broadcast_f32x2(_mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(both))));
  }

  static __m512 pair(const void *p) {
    return _mm512_broadcast_f32x2(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)p)));
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t ld) {
    static_assert(RR == 1);
    auto *blocks = reinterpret_cast<const Block *>(w);
    int64_t n_pairs = pairs(width);
    int64_t whole = width / 64;
    const uint8_t *scale = x + n_pairs * 64;
    __m512 acc[NN];
    UNROLL for (int n = 0; n < NN; n++) acc[n] = _mm512_setzero_ps();
    for (int64_t p = 0; p < n_pairs; p++) {
      const Block *b = blocks + 2 * p;
      bool second = p < whole;
      __m512i a = weights(b, second);
      __m512 dw = scales(b, second);
      UNROLL for (int n = 0; n < NN; n++) {
        const uint8_t *row = x + n * x_row;
        __m512i dot =
            _mm512_dpbusd_epi32(_mm512_setzero_si512(), a, _mm512_load_si512(row + p * 64));
        const uint8_t *s = scale + n * x_row + p * 16;
        acc[n] = _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), pair(s), pair(s + 8)), dw,
                                 acc[n]);
      }
    }
    UNROLL for (int n = 0; n < NN; n++) out[n * ld] = _mm512_reduce_add_ps(acc[n]);
  }
};
#else
// One block at a time; behind all q of a row, per block d and, for the vector code, what unsigned nibbles add.
template <bool FOUR>
struct Quantized {
  using Block = std::conditional_t<FOUR, fovea_q4_0, fovea_q8_0>;
  static constexpr int R = 1, N = 4;
  static int64_t row_bytes(int64_t width) {
    return width / FOVEA_BLOCK * static_cast<int64_t>(sizeof(Block));
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
  static __m256i dot(const Block &b, const uint8_t *q) {
    __m256i x = _mm256_loadu_si256((const __m256i *)q);
    __m256i products;
    if constexpr (FOUR) {
      __m128i n = _mm_loadu_si128((const __m128i *)b.q);
      __m256i w = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(n, 4), n), _mm256_set1_epi8(15));
      products = _mm256_maddubs_epi16(w, x);  // at most 2 * 15 * 127
    } else {
      __m256i w = _mm256_loadu_si256((const __m256i *)b.q);
      products = _mm256_maddubs_epi16(_mm256_sign_epi8(w, w),
                                      _mm256_sign_epi8(x, w));  // at most 2 * 128 * 127
    }
    return _mm256_madd_epi16(products, _mm256_set1_epi16(1));
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t ld) {
    static_assert(RR == 1);
    auto *blocks = reinterpret_cast<const Block *>(w);
    __m256 acc[NN];
    UNROLL for (int n = 0; n < NN; n++) acc[n] = _mm256_setzero_ps();
    for (int64_t b = 0; b < width / FOVEA_BLOCK; b++) {
      __m256 dw = _mm256_set1_ps(from_half(blocks[b].d));
      UNROLL for (int n = 0; n < NN; n++) {
        const uint8_t *row = x + n * x_row;
        auto *s = reinterpret_cast<const float *>(row + width) + 2 * b;
        __m256 sums = _mm256_cvtepi32_ps(dot(blocks[b], row + b * FOVEA_BLOCK));
        __m256 offset = FOUR ? _mm256_set1_ps(s[1]) : _mm256_setzero_ps();
        acc[n] = _mm256_fmadd_ps(_mm256_fmadd_ps(sums, _mm256_set1_ps(s[0]), offset), dw, acc[n]);
      }
    }
    UNROLL for (int n = 0; n < NN; n++) out[n * ld] = sum8(acc[n]);
  }
#else
  static int32_t weight(const Block &b, int i) {
    if constexpr (FOUR) {
      return (i < 16 ? b.q[i] & 15 : b.q[i - 16] >> 4) - 8;
    } else {
      return b.q[i];
    }
  }

  template <int RR, int NN>
  static void tile(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, float *out,
                   int64_t ld) {
    static_assert(RR == 1);
    auto *blocks = reinterpret_cast<const Block *>(w);
    for (int n = 0; n < NN; n++) {
      auto *q = reinterpret_cast<const int8_t *>(x + n * x_row);
      auto *s = reinterpret_cast<const float *>(x + n * x_row + width);
      float acc = 0;
      for (int64_t b = 0; b < width / FOVEA_BLOCK; b++) {
        int32_t dot = 0;
        for (int i = 0; i < FOVEA_BLOCK; i++) dot += weight(blocks[b], i) * q[b * FOVEA_BLOCK + i];
        acc += static_cast<float>(dot) * s[2 * b] * from_half(blocks[b].d);
      }
      out[n * ld] = acc;
    }
  }
#endif
};
#endif

// ---- the walk over tiles ----

// What the five ops have in common. r: residual; up: second weights of swiglu.
struct Call {
  const fovea_tensor *x, *w, *b, *r, *up, *y;
};

enum class Then { NOTHING, ADD, QUICK_GELU, GELU, SWIGLU };

template <class W, int RR>
void columns(const uint8_t *w, const uint8_t *x, int64_t x_row, int64_t width, int64_t n,
             float *out, int64_t ld) {
  switch (n) {
    case 1:
      return W::template tile<RR, 1>(w, x, x_row, width, out, ld);
    case 2:
      return W::template tile<RR, 2>(w, x, x_row, width, out, ld);
    case 3:
      return W::template tile<RR, 3>(w, x, x_row, width, out, ld);
    case 4:
      return W::template tile<RR, 4>(w, x, x_row, width, out, ld);
  }
  if constexpr (W::N > 4) {
    switch (n) {
      case 5:
        return W::template tile<RR, 5>(w, x, x_row, width, out, ld);
      case 6:
        return W::template tile<RR, 6>(w, x, x_row, width, out, ld);
      case 7:
        return W::template tile<RR, 7>(w, x, x_row, width, out, ld);
      case 8:
        return W::template tile<RR, 8>(w, x, x_row, width, out, ld);
    }
  }
}

// out[n][o] = dot(x row n, w row o) for a tile of weight rows and up to W::N rows of x
template <class W>
void products(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row, int64_t width,
              int64_t n, float *out) {
  int64_t stride = W::row_bytes(width);
  int64_t o = 0;
  for (; o + W::R <= rows; o += W::R)
    columns<W, W::R>(w + o * stride, x, x_row, width, n, out + o, TILE);
  if constexpr (W::R > 1) {
    for (; o < rows; o++) columns<W, 1>(w + o * stride, x, x_row, width, n, out + o, TILE);
  }
}

template <Then THEN>
void finish(const Call &c, float *first, const float *second, int64_t t, int64_t o, int64_t rows) {
  int64_t outs = c.w->dim[0];
  float *y = out32(*c.y) + t * outs + o;
  if (c.b && c.b->data) {
    for (int64_t i = 0; i < rows; i++) first[i] += f32(*c.b)[o + i];
  }
  if constexpr (THEN == Then::ADD) {
    const float *r = f32(*c.r) + t * outs + o;
    for (int64_t i = 0; i < rows; i++) y[i] = r[i] + first[i];
  } else if constexpr (THEN == Then::QUICK_GELU) {
    for (int64_t i = 0; i < rows; i++) y[i] = quick_gelu(first[i]);
  } else if constexpr (THEN == Then::GELU) {
    for (int64_t i = 0; i < rows; i++)
      y[i] = 0.5f * first[i] * (1.f + erff(first[i] * 0.70710678f));
  } else if constexpr (THEN == Then::SWIGLU) {
    for (int64_t i = 0; i < rows; i++) y[i] = silu(first[i]) * second[i];
  } else {
    for (int64_t i = 0; i < rows; i++) y[i] = first[i];
  }
}

template <class W, Then THEN>
int32_t walk(Run &run, const Call &c) {
  int64_t width = c.x->dim[1];
  int64_t outs = c.w->dim[0];
  int64_t n = live_rows(*c.x);
  if (n < 0) return FOVEA_E_RANGE;
  auto *x = static_cast<const uint8_t *>(c.x->data);
  int64_t x_row = width * 4;
  if (int64_t bytes = W::x_bytes(width)) {
    ranges(run, n, 4, [&](int64_t from, int64_t to, int) {
      for (int64_t t = from; t < to; t++)
        W::prepare(f32(*c.x) + t * width, width, run.scratch + t * bytes);
    });
    x = run.scratch;
    x_row = bytes;
  }
  auto *w = static_cast<const uint8_t *>(c.w->data);
  int64_t stride = W::row_bytes(width);
  ranges(run, outs, TILE, [&](int64_t from, int64_t to, int) {
    alignas(64) float first[MOST * TILE];
    alignas(64) float second[MOST * TILE];
    for (int64_t t = 0; t < n; t += W::N) {
      int64_t count = n - t < W::N ? n - t : W::N;
      products<W>(w + from * stride, to - from, x + t * x_row, x_row, width, count, first);
      if constexpr (THEN == Then::SWIGLU) {
        auto *up = static_cast<const uint8_t *>(c.up->data);
        products<W>(up + from * stride, to - from, x + t * x_row, x_row, width, count, second);
      }
      for (int64_t i = 0; i < count; i++)
        finish<THEN>(c, first + i * TILE, second + i * TILE, t + i, from, to - from);
    }
  });
  return FOVEA_OK;
}

template <Then THEN>
Call call(const void *args) {
  if constexpr (THEN == Then::ADD) {
    auto *a = static_cast<const fovea_linear_add_args *>(args);
    return {&a->x, &a->w, &a->b, &a->r, nullptr, &a->y};
  } else if constexpr (THEN == Then::SWIGLU) {
    auto *a = static_cast<const fovea_swiglu_args *>(args);
    return {&a->x, &a->gate, nullptr, nullptr, &a->up, &a->y};
  } else {  // the other three structs have the same fields
    auto *a = static_cast<const fovea_linear_args *>(args);
    return {&a->x, &a->w, &a->b, nullptr, nullptr, &a->y};
  }
}

template <class W, Then THEN>
int32_t run_(Run &run, const void *args) {
  return walk<W, THEN>(run, call<THEN>(args));
}

template <class W, Then THEN>
int64_t scratch(const void *args, int) {
  Call c = call<THEN>(args);
  return W::x_bytes(c.x->dim[1]) * c.x->dim[0];
}

template <Then THEN>
const char *rejects(const void *args) {
  Call c = call<THEN>(args);
  if (!is(*c.x, FOVEA_F32, 2) || !sane(*c.w) || c.w->rank != 2)
    return "x must be f32 [T,I] and w [O,I]";
  if (c.w->dim[1] != c.x->dim[1]) return "w must be as wide as x";
  if (!is(*c.y, FOVEA_F32, 2) || c.y->dim[0] != c.x->dim[0] || c.y->dim[1] != c.w->dim[0])
    return "y must be f32 [T,O]";
  if ((c.w->dtype == FOVEA_Q8_0 || c.w->dtype == FOVEA_Q4_0) && c.w->dim[1] % FOVEA_BLOCK != 0)
    return "w's rows must be whole blocks";
  if (c.b && c.b->data && (!is(*c.b, FOVEA_F32, 1) || c.b->dim[0] != c.w->dim[0]))
    return "b must be f32 [O]";
  if (c.r && (!is(*c.r, FOVEA_F32, 2) || !same_sizes(*c.r, *c.y))) return "r must be f32 [T,O]";
  if (c.up && (!sane(*c.up) || c.up->dtype != c.w->dtype || !same_sizes(*c.up, *c.w)))
    return "gate and up must have the same type and sizes";
  return nullptr;
}

#if defined(__AVX512BF16__)
using Bfloat = DotBF16;
#else
using Bfloat = Plain<BF16>;
#endif

// Lines of the kernel table.
#define PLAIN(op, struct, then, type, W)                                                      \
  {op,                                                                                        \
   "f32," type ",_->f32",                                                                     \
   FOVEA_VARIANT,                                                                             \
   sizeof(struct),                                                                            \
   run_<W, then>,                                                                             \
   rejects<then>,                                                                             \
   scratch<W, then>},                                                                         \
  {                                                                                           \
    op, "f32," type ",f32->f32", FOVEA_VARIANT, sizeof(struct), run_<W, then>, rejects<then>, \
        scratch<W, then>                                                                      \
  }
#define RESIDUAL(type, W)                                                                    \
  {"linear_add",         "f32," type ",_,f32->f32",                                          \
   FOVEA_VARIANT,        sizeof(fovea_linear_add_args),                                      \
   run_<W, Then::ADD>,   rejects<Then::ADD>,                                                 \
   scratch<W, Then::ADD>},                                                                   \
  {                                                                                          \
    "linear_add", "f32," type ",f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_linear_add_args), \
        run_<W, Then::ADD>, rejects<Then::ADD>, scratch<W, Then::ADD>                        \
  }
#define GATED(type, W)                                                                \
  {                                                                                   \
    "swiglu", "f32," type "," type "->f32", FOVEA_VARIANT, sizeof(fovea_swiglu_args), \
        run_<W, Then::SWIGLU>, rejects<Then::SWIGLU>, scratch<W, Then::SWIGLU>        \
  }
#define ALL(type, W)                                                                        \
  PLAIN("linear", fovea_linear_args, Then::NOTHING, type, W),                               \
      PLAIN("linear_quick_gelu", fovea_linear_quick_gelu_args, Then::QUICK_GELU, type, W),  \
      PLAIN("linear_gelu", fovea_linear_gelu_args, Then::GELU, type, W), RESIDUAL(type, W), \
      GATED(type, W)

const Kernel kernels[] = {
    ALL("f32", Plain<F32>),        ALL("f16", Plain<F16>),       ALL("bf16", Bfloat),
    ALL("q8_0", Quantized<false>), ALL("q4_0", Quantized<true>),
};

}  // namespace
FOVEA_KERNELS(linear)
}  // namespace fovea
