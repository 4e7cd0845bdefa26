// One query row of one head by a block of 128 threads: any head width, any number of keys, any alignment. 128 keys at a time:
// a thread takes one key's score, then the block goes on with the softmax, then a thread takes a few columns of the output,
// which are summed in the output's own memory. The baseline that the other kernels are held to.
#pragma once

#include <math.h>

#include "cuda/block.cuh"

constexpr int PLAIN_THREADS = 128;

struct PlainShared {
  float weight[PLAIN_THREADS];
  int64_t at[PLAIN_THREADS];
  float largest[PLAIN_THREADS / 32];
  float sums[32];
};

FOVEA_DEVICE float widen(float x) { return x; }
FOVEA_DEVICE float widen(uint16_t x) { return f16_to_f32(x); }

// find(j): where key j's numbers start in k, and its values' in v: pointers, or whatever has a number at an index.
template <class Numbers, class Find>
FOVEA_DEVICE void attend_plainly(const float *q, const Numbers &k, const Numbers &v, float *y,
                                 int64_t n, int width, float scale, PlainShared &shared,
                                 const Find &find) {
  int i = threadIdx.x;
  float max = -INFINITY, sum = 0;
  for (int64_t from = 0; from < n; from += PLAIN_THREADS) {
    float score = -INFINITY;
    if (from + i < n) {
      int64_t at = find(from + i);
      shared.at[i] = at;
      float dot = 0;
      for (int d = 0; d < width; d++) dot += q[d] * widen(k[at + d]);
      score = dot * scale;
    }
    float largest = warp_max(score);
    if (i % 32 == 0) shared.largest[i / 32] = largest;
    __syncthreads();
    largest = max;
    for (int w = 0; w < PLAIN_THREADS / 32; w++) largest = fmaxf(largest, shared.largest[w]);
    float shrink = expf(max - largest);
    float weight = expf(score - largest);
    max = largest;
    sum = sum * shrink + weight;
    shared.weight[i] = weight;
    __syncthreads();
    int count = static_cast<int>(n - from < PLAIN_THREADS ? n - from : PLAIN_THREADS);
    for (int d = i; d < width; d += PLAIN_THREADS) {
      float total = from == 0 ? 0 : y[d] * shrink;
      for (int j = 0; j < count; j++) total += shared.weight[j] * widen(v[shared.at[j] + d]);
      y[d] = total;
    }
    __syncthreads();
  }
  sum = block_sum(sum, shared.sums);
  for (int d = i; d < width; d += PLAIN_THREADS) y[d] /= sum;
}
