// What dot products of all weight types share. A weight type W is a struct of static functions:
//
//   row_bytes(width)               bytes of a row of w as stored
//   x_bytes(width), prepare        a row of x in the form that the products read; 0: as it is
//   AT_ONCE                        rows of x in one call of the products, at most
//   multiply(w, rows, x, ...)      products of up to TILE rows of w, as stored, with up to AT_ONCE rows of x
//   PANELS                         whether many rows of x are multiplied with weights unpacked once for all of them:
//     STREAM                         up to so many rows of x, multiply is the faster way
//     panel_x_bytes, prepare_panel   as x_bytes and prepare, for that way
//     panel_bytes, unpack            TILE rows of w to cache-sized scratch
//     multiply_panel                 as multiply, with weights from there
//
// The bits of an element of y depend on nothing but its row of w and its row of x: each W has one order of operations and
// keeps to it in all its loops.
#pragma once

#include <math.h>

#include <type_traits>

#include "math.h"
#include "run.h"
#include "vec.h"

namespace fovea {
namespace {

constexpr int64_t TILE = 32;  // weight rows handed out at a time

// Asks for what a walk along memory will read a page from here. The processor's own prefetchers stop where a page ends, and a
// thread alone has too few reads under way: q4_0 from memory gets 36 GB/s instead of 28, where plain reading gets 39 (docs/perf/cpu.md;
// 4096 was the best of 1024 to 16384). The end may be passed: such an address is never read.
constexpr int64_t FAR = 4096;
[[maybe_unused]] inline void fetch_far(const uint8_t *p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + FAR + i);
}

// out[n][o] = dot(x row n, w row o) for all rows of w and of x, in tiles of W::R by W::N.
template <class W>
inline void tiles(const uint8_t *w, int64_t rows, const uint8_t *x, int64_t x_row, int64_t width,
                  int64_t n, float *out) {
  int64_t stride = W::row_bytes(width);
  for (int64_t t = 0; t < n; t += W::N, x += W::N * x_row, out += W::N * TILE) {
    with_count<W::N>(n - t < W::N ? n - t : W::N, [&](auto columns) {
      constexpr int R = columns == 1 ? W::R_ALONE : W::R;
      int64_t o = 0;
      // One row of x is a matter of reading w: memory gives two streams a thread more than one, and more than four.
      if constexpr (columns == 1 && R == 2) {
        for (int64_t half = rows / 2; o < half; o++)
          W::template tile<2, 1>(w + o * stride, x, x_row, width, out + o, half, half * stride);
        o *= 2;
      } else {
        for (; o + R <= rows; o += R)
          W::template tile<R, columns>(w + o * stride, x, x_row, width, out + o);
      }
      if constexpr (R > 1) {
        for (; o < rows; o++)
          W::template tile<1, columns>(w + o * stride, x, x_row, width, out + o);
      }
    });
  }
}

}  // namespace
}  // namespace fovea
