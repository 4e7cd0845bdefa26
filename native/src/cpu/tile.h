// Products of small matrices of binary32 numbers, as attention needs them, in tiles that stay in registers.
#pragma once

#include "vec.h"

namespace fovea {
namespace {

#if defined(__AVX512F__) || defined(__ARM_NEON)  // 32 registers
constexpr int TILE_ROWS = 6, TILE_VECTORS = 4, TILE_DOTS = 4;
#elif defined(__AVX2__)
constexpr int TILE_ROWS = 6, TILE_VECTORS = 2, TILE_DOTS = 3;
#else
constexpr int TILE_ROWS = 2, TILE_VECTORS = 4, TILE_DOTS = 3;
#endif

template <int R, int C>
inline void product_tile(const float *a, int64_t a_row, const float *b, int64_t b_row,
                         int64_t depth, float *y, int64_t y_row) {
  Vec sums[R][C];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++) sums[r][c] =
      Vec::load(y + r * y_row + c * Vec::LANES);
  for (int64_t i = 0; i < depth; i++) {
    Vec v[C];
    UNROLL for (int c = 0; c < C; c++) v[c] = Vec::load(b + i * b_row + c * Vec::LANES);
    UNROLL for (int r = 0; r < R; r++) {
      Vec one = Vec::all(a[r * a_row + i]);
      UNROLL for (int c = 0; c < C; c++) sums[r][c].fma(one, v[c]);
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++) sums[r][c].store(
      y + r * y_row + c * Vec::LANES);
}

// y[r][o] += sum of a[r][i] * b[i][o] over i < depth in order, for r < rows and o < width: an element's bits depend on no other.
inline void add_product(const float *a, int64_t a_row, int64_t rows, const float *b, int64_t b_row,
                        int64_t depth, int64_t width, float *y, int64_t y_row) {
  int64_t o = 0;
  for (int64_t vectors; (vectors = (width - o) / Vec::LANES) > 0;) {
    if (vectors > TILE_VECTORS) vectors = TILE_VECTORS;
    with_count<TILE_VECTORS>(vectors, [&](auto columns) {
      for (int64_t r = 0; r < rows; r += TILE_ROWS)
        with_count<TILE_ROWS>(rows - r < TILE_ROWS ? rows - r : TILE_ROWS, [&](auto count) {
          product_tile<count, columns>(a + r * a_row, a_row, b + o, b_row, depth, y + r * y_row + o,
                                       y_row);
        });
    });
    o += vectors * Vec::LANES;
  }
  for (; o < width; o++) {
    for (int64_t r = 0; r < rows; r++) {
      float sum = y[r * y_row + o];
      for (int64_t i = 0; i < depth; i++) sum += a[r * a_row + i] * b[i * b_row + o];
      y[r * y_row + o] = sum;
    }
  }
}

template <int R, int C>
inline void dots_tile(const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t depth,
                      float scale, float *y, int64_t y_row) {
  Vec sums[R][C];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++) sums[r][c] = Vec::zero();
  auto step = [&](int64_t i, auto... rest) __attribute__((always_inline)) {
    Vec v[C];
    UNROLL for (int c = 0; c < C; c++) v[c] = Vec::load(b + c * b_row + i, rest...);
    UNROLL for (int r = 0; r < R; r++) {
      Vec one = Vec::load(a + r * a_row + i, rest...);
      UNROLL for (int c = 0; c < C; c++) sums[r][c].fma(one, v[c]);
    }
  };
  int64_t i = 0;
  for (; i + Vec::LANES <= depth; i += Vec::LANES) step(i);
  if (i < depth) step(i, static_cast<int>(depth - i));
#if defined(__AVX512F__)
  if constexpr (C == 4) {
    UNROLL for (int r = 0; r < R; r++) _mm_storeu_ps(
        y + r * y_row, _mm_mul_ps(_mm_set1_ps(scale),
                                  sums16(sums[r][0].v, sums[r][1].v, sums[r][2].v, sums[r][3].v)));
    return;
  }
#endif
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++) y[r * y_row + c] =
      scale * sums[r][c].sum();
}

// y[r][o] = scale * dot(a[r], b[o]) for r < rows and o < columns: an element's bits depend on no other.
inline void scaled_dots(const float *a, int64_t a_row, int64_t rows, const float *b, int64_t b_row,
                        int64_t columns, int64_t depth, float scale, float *y, int64_t y_row) {
  for (int64_t r = 0; r < rows; r += TILE_DOTS) {
    with_count<TILE_DOTS>(rows - r < TILE_DOTS ? rows - r : TILE_DOTS, [&](auto count) {
      for (int64_t o = 0; o < columns; o += TILE_DOTS)
        with_count<TILE_DOTS>(columns - o < TILE_DOTS ? columns - o : TILE_DOTS, [&](auto some) {
          dots_tile<count, some>(a + r * a_row, a_row, b + o * b_row, b_row, depth, scale,
                                 y + r * y_row + o, y_row);
        });
    });
  }
}

}  // namespace
}  // namespace fovea
