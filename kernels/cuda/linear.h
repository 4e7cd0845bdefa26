// What the kernels of linear maps take: linear, linear_add, linear_quick_gelu, linear_gelu, swiglu, norm_swiglu and norm_qkv alike.
#pragma once

#include "cuda/report.h"
#include "cuda/tensor_map.h"

// What follows the linear map.
enum LinearThen {
  LINEAR_NOTHING,
  LINEAR_ADD,         // y = r + v
  LINEAR_QUICK_GELU,  // y = v * sigmoid(1.702 v)
  LINEAR_GELU,        // y = v/2 * (1 + erf(v / sqrt 2))
  // From here on two rows of weights make what belongs together.
  LINEAR_SWIGLU,  // y = v * sigmoid(v) * u, v from the first weights and u from the second
  LINEAR_QKV  // v and u are a pair of a head: turned and to y, turned and to the keys, or as they are to the values
};

// Of norm_qkv. Heads are counted through: those of q, then of k, then of v. A head's outputs are `outs` pairs.
struct LinearQkv {
  const void *w[3];
  const void *scales[3];  // as LinearParams has them
  void *cache[2];         // k, v: f32 or binary16 [Pg,Hk,Ps,Dh]
  const int32_t *pos, *seq, *pages;
  int32_t heads, key_heads;
  int32_t neighbours;  // pair i is (2i, 2i+1), else (i, i + outs)
  int32_t half_cache;
  int32_t page_count, places, sequences, table;  // Pg, Ps, B, Mp
  // Half turns of pair i per position, scale * theta^(-i / outs) / pi, is coarse[i / 16] * fine[i % 16].
  double coarse[16], fine[16];
};
constexpr int LINEAR_QKV_PAIRS = 256;  // the most in a head

struct LinearParams {
  const float *x;  // [T,width]
  const void *w;   // [outs,width]: gate's for swiglu. Quants only where the type has blocks
  const void *up;  // swiglu's second weights
  // Where the type has blocks: [outs,width/32] binary16; of groups of 128, [outs,width/128] words, a zero point above the binary16.
  const void *scales, *up_scales;
  const float *b;  // [outs] or null
  const float *r;  // [T,outs] of linear_add; may be y
  const float *g;  // [width] of the RMSNorm before the map, or null
  float eps;       // of it
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
  LinearQkv qkv;
};

// Of linear_then.cu, where the products are in memory already.
struct LinearThenParams {
  LinearParams p;
  const float *sums, *up_sums;  // [T,outs]; the second of swiglu's second weights
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

// Tiles of linear_wgmma.cu: 128 tokens by 256 or 128 rows of weights, and how many tiles of tokens run side by side.
constexpr int LINEAR_WGMMA_THREADS = 384, LINEAR_WGMMA_TOKENS = 128, LINEAR_WGMMA_GROUP = 16;
constexpr int linear_wgmma_stages(int rows) { return rows == 256 ? 4 : 6; }
constexpr int LINEAR_WGMMA_RING = 192 * 1024;
constexpr int LINEAR_WGMMA_SLAB = 40;  // floats from one token to the next in the epilogue
// The ring, what it takes to begin at a multiple of 1024, and eight warps' slabs of 16 tokens.
constexpr int LINEAR_WGMMA_SHARED =
    LINEAR_WGMMA_RING + 1024 + 8 * 16 * LINEAR_WGMMA_SLAB * static_cast<int>(sizeof(float));

// Boxes of 64 elements by 128 rows of the operand, and by as many rows of weights as a tile has (swiglu: half as many, twice).
struct LinearWgmmaParams {
  TensorMap x, w, up;  // w, up: filled where linear.w_aligned
  LinearParams linear;
};

// Of linear_mma16.cu, whose kernels a launcher and nvcc alike must size: the pieces of a row are 64 bytes.
constexpr int LINEAR_MMA16_WARPS = 8, LINEAR_MMA16_TOKENS = 64;
constexpr int linear_mma16_deep(int row_bytes) { return 64 / row_bytes; }  // 32 elements each
// rows: of weights in a block.
constexpr int linear_mma16_shared(int rows) {
  return LINEAR_MMA16_WARPS * (rows == 32 ? 4 : 3) * rows * 64;
}

// Rows of x that linear_dp4a.cu takes, and the shared memory it rounds them into.
constexpr int LINEAR_DP4A_ROWS = 4;
constexpr int64_t linear_dp4a_shared(int rows, int64_t width, bool norm) {
  return rows * (width / 32) * (norm ? 44 : 40);
}

// The shapes of x that linear_x.cu makes.
struct LinearXParams {
  const float *x;     // [T,width]
  uint16_t *out;      // [T,padded], or fragments
  float *row_scales;  // what undoes the rows' powers of two, for binary16
  int32_t width;
  int32_t padded;  // width, rounded up to whole pieces; zeros behind x's end
  Rows rows;
  const float *g;  // [width] of an RMSNorm that x goes through first, or null
  float eps;
};
