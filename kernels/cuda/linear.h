// What the kernels of linear maps take: linear, linear_add, linear_quick_gelu, linear_gelu and swiglu alike.
#pragma once

#include "cuda/report.h"

// What follows the linear map.
enum LinearThen {
  LINEAR_NOTHING,
  LINEAR_ADD,         // y = r + v
  LINEAR_QUICK_GELU,  // y = v * sigmoid(1.702 v)
  LINEAR_GELU,        // y = v/2 * (1 + erf(v / sqrt 2))
  LINEAR_SWIGLU       // y = v * sigmoid(v) * u, v from the first weights and u from the second
};

struct LinearParams {
  const float *x;  // [T,width]
  const void *w;   // [outs,width]: gate's for swiglu. Quants only where the type has blocks
  const void *up;  // swiglu's second weights
  // Where the type has blocks: [outs,width/32] binary16; of groups of 128, [outs,width/128] words, a zero point above the binary16.
  const void *scales, *up_scales;
  const float *b;  // [outs] or null
  const float *r;  // [T,outs] of linear_add; may be y
  float *y;        // [T,outs]
  // x as the matrix units take it, made by linear_x.cu, and by what each of its rows is still to be multiplied (null: by 1).
  const uint16_t *operand;
  const float *row_scales;
  int32_t width, outs;
  int32_t operand_width;  // elements from one row of operand to the next
  int32_t then;
  // Whether rows of w and up begin at multiples of 16 bytes, and x's rows, and groups of four scales at multiples of 8.
  int32_t w_aligned, x_aligned, scales_aligned;
  Rows rows;
};

// Tiles of linear_mma.cu: outputs and tokens of a block, by whether weights come in blocks.
constexpr int LINEAR_MMA_STAGES = 4;
constexpr int LINEAR_MMA_BIG_OUTS = 128, LINEAR_MMA_BIG_TOKENS = 128,
              LINEAR_MMA_BIG_TOKENS_BLOCKS = 64;
constexpr int LINEAR_MMA_SMALL = 64;
// Bytes of shared memory for 32 elements of the inner axis, `row_bytes` of them those of a row of weights.
constexpr int linear_mma_stage(int outs, int tokens, int row_bytes, bool blocks) {
  return outs * row_bytes + tokens * 64 + (blocks ? outs * 4 : 0);
}

// Tiles of linear_wgmma.cu: 128 tokens by 256 or 128 outputs.
constexpr int LINEAR_WGMMA_TOKENS = 128;
constexpr int linear_wgmma_stages(int outs) { return outs == 256 ? 4 : 6; }
constexpr int LINEAR_WGMMA_SHARED =
    193 * 1024;  // 192, and what it takes to begin at a multiple of 1024

// Of linear_mma16.cu, whose kernels a launcher and nvcc alike must size: the pieces of a row are 64 bytes.
constexpr int LINEAR_MMA16_WARPS = 8, LINEAR_MMA16_TOKENS = 64;
constexpr int linear_mma16_deep(int row_bytes) { return 64 / row_bytes; }  // 32 elements each
// rows: of weights in a block.
constexpr int linear_mma16_shared(int rows) {
  return LINEAR_MMA16_WARPS * (rows == 32 ? 4 : 3) * rows * 64;
}

// Rows of x that linear_dp4a.cu takes, and the shared memory it rounds them into.
constexpr int LINEAR_DP4A_ROWS = 4;
constexpr int64_t linear_dp4a_shared(int rows, int64_t width) { return rows * (width / 32) * 40; }

// The shapes of x that linear_x.cu makes.
struct LinearXParams {
  const float *x;     // [T,width]
  uint16_t *out;      // [T,padded], or fragments
  float *row_scales;  // what undoes the rows' powers of two, for binary16
  int32_t width;
  int32_t padded;  // width, rounded up to whole pieces; zeros behind x's end
  Rows rows;
};
