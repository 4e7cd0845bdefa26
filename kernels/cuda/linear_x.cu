// x [T,I] f32 -> the 16-bit operand of linear_mma.cu and linear_mma16.cu, in scratch memory.
//
// bf16 for bf16 and quantized weights: an element moves by |x| 2^-9 at most, so less than half of what rounding to eight bits
// may move it by, without scales and whatever its size. binary16 for f16 weights: each row is multiplied by a power of two
// that brings its largest element into [1,2), so that an element moves by |x| 2^-11 + max|x| 2^-25 at most; the epilogue takes
// the factor back, exactly.
//
// Order within each 16 elements of a row:
//   as they are, for f16 and bf16 weights
//   picked, for quantized weights: place 2t, 2t+1, 2t+8, 2t+9 hold elements 4t, 4t+2, 4t+1, 4t+3, because lane t of a group of four
//   gets bytes 4t .. 4t+3 of a packet of weights, and a mask takes bytes 0 and 2 of a word at once, then 1 and 3
// Place of rows:
//   rows: one after the other, `padded` apart; only those that count
//   fragments: [T/8][padded/32][lane][4] words, so that lane 4g+t of a warp reads with one load what it holds of token 8n+g for two
//   matrix instructions: places 2t.., 2t+8.., 2t+16.., 2t+24..
//
// Where an RMSNorm comes before the map, x is normalized on the way.
//
// Grid: x rows, y pieces of a row (one for binary16, whose rows need their largest element first, and with a norm). Block: 256 threads.
// Traffic: 4 bytes in and 2 out an element; under 2 % of the time of the product that follows, when it does not fit in the
// shadow of that kernel's first loads. Not measured.

#include "cuda/linear.cuh"

namespace {

enum class Order { AS_IS, PICKED };
enum class Place { ROWS, FRAGMENTS };

// Element i of x, or of its norm, whose factor is the row's.
FOVEA_DEVICE float element(const LinearXParams &p, const float *x, int i, float factor) {
  return p.g ? x[i] * factor * p.g[i] : x[i];
}

FOVEA_DEVICE float norm_factor(const LinearXParams &p, const float *x, float *partial) {
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < p.width; i += static_cast<int>(blockDim.x))
    sum = fmaf(x[i], x[i], sum);
  return 1.f / sqrtf(block_sum(sum, partial) / static_cast<float>(p.width) + p.eps);
}

FOVEA_DEVICE float largest(const LinearXParams &p, const float *x, float factor, float *partial) {
  float most = 0;
  for (int i = static_cast<int>(threadIdx.x); i < p.width; i += static_cast<int>(blockDim.x))
    most = fmaxf(most, fabsf(element(p, x, i, factor)));
  most = warp_max(most);
  unsigned lane = threadIdx.x % 32;
  if (lane == 0) partial[threadIdx.x / 32] = most;
  __syncthreads();
  return warp_max(lane < blockDim.x / 32 ? partial[lane] : 0.f);
}

template <bool HALF, Order ORDER, Place PLACE>
FOVEA_DEVICE void convert(const LinearXParams &p, float *partial) {
  pdl_launch();
  pdl_wait();
  int t = static_cast<int>(blockIdx.x);
  bool counts = t < live_rows(p.rows);
  if (!counts && PLACE == Place::ROWS) return;
  const float *x = p.x + int64_t{t} * p.width;
  float scale = 1, factor = p.g && counts ? norm_factor(p, x, partial) : 1.f;
  if (HALF) {
    float most = counts ? largest(p, x, factor, partial + 32) : 0.f;
    int exponent = __float_as_int(most) >> 23;
    exponent = min(max(exponent, 1), 253);
    scale = __int_as_float((254 - exponent) << 23);
    if (threadIdx.x == 0) p.row_scales[t] = __int_as_float(exponent << 23);
  }
  auto *out = reinterpret_cast<uint32_t *>(p.out);
  int step = static_cast<int>(gridDim.y * blockDim.x);
  for (int i = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); i < p.padded / 2;
       i += step) {
    int sixteen = i / 8, pair = i % 8;
    int first = sixteen * 16 + (ORDER == Order::AS_IS ? pair * 2 : pair % 4 * 4 + pair / 4);
    int second = first + (ORDER == Order::AS_IS ? 1 : 2);
    float a = counts && first < p.width ? element(p, x, first, factor) * scale : 0.f;
    float b = counts && second < p.width ? element(p, x, second, factor) * scale : 0.f;
    int64_t at = int64_t{t} * (p.padded / 2) + i;
    if (PLACE == Place::FRAGMENTS) {
      int64_t piece = int64_t{t / 8} * (p.padded / 32) + i / 16;
      at = (piece * 32 + t % 8 * 4 + pair % 4) * 4 + sixteen % 2 * 2 + pair / 4;
    }
    out[at] = HALF ? pack_f16(a, b) : pack_bf16(a, b);
  }
}

}  // namespace

#define KERNEL(name, HALF, ORDER, PLACE)                   \
  FOVEA_KERNEL(name, LinearXParams, 256) {                 \
    FOVEA_SHARED(float, partial, 64);                      \
    convert<HALF, Order::ORDER, Place::PLACE>(p, partial); \
  }

KERNEL(linear_x__f16_rows, true, AS_IS, ROWS)
KERNEL(linear_x__f16_fragments, true, AS_IS, FRAGMENTS)
KERNEL(linear_x__bf16_rows, false, AS_IS, ROWS)
KERNEL(linear_x__bf16_fragments, false, AS_IS, FRAGMENTS)
KERNEL(linear_x__picked_rows, false, PICKED, ROWS)
KERNEL(linear_x__picked_fragments, false, PICKED, FRAGMENTS)
