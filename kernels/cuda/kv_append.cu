// Writes keys or values into their pages. Blocks along x are rows, along y pieces of a row; a thread writes one element, or four
// neighbours; of q8_0 a warp makes a block of numbers, a lane each. A row whose position, sequence or page is out of range is reported and not written. Traffic: the rows read and
// written once.

#include "cuda/block.cuh"
#include "cuda/kv_append.h"
#include "cuda/quantize.cuh"

namespace {

FOVEA_DEVICE void put(float *to, float v) { *to = v; }
FOVEA_DEVICE void put(uint16_t *to, float v) { *to = f32_to_f16(v); }
FOVEA_DEVICE void put(float *to, float4 v) { *reinterpret_cast<float4 *>(to) = v; }
FOVEA_DEVICE void put(uint16_t *to, float4 v) {
  *reinterpret_cast<uint2 *>(to) = make_uint2(pack_f16(v.x, v.y), pack_f16(v.z, v.w));
}

// The page of a row that counts and where the row's place in it is, of head 0; -1: nothing is to be written.
FOVEA_DEVICE int64_t place_of(const KvAppendParams &p, int row) {
  if (row >= live_rows(p.rows)) return -1;
  int pos = p.pos[row], seq = p.seq[row];
  int page = -1;
  if (pos >= 0 && pos / p.places < p.table && seq >= 0 && seq < p.sequences)
    page = p.pages[int64_t{seq} * p.table + pos / p.places];
  if (page < 0 || page >= p.page_count) {
    if (threadIdx.x == 0) report(p.rows.error);
    return -1;
  }
  return int64_t{page} * p.heads * p.places + pos % p.places;
}

template <class Element, class Piece>
FOVEA_DEVICE void append(const KvAppendParams &p) {
  constexpr unsigned SIZE = sizeof(Piece) / 4;
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  int64_t place = place_of(p, row);
  if (place < 0) return;
  unsigned elements = static_cast<unsigned>(p.heads) * static_cast<unsigned>(p.width);
  const float *x = p.x + int64_t{row} * elements;
  // Of head 0; the next one is a page's places further.
  auto *to = static_cast<Element *>(p.cache) + place * p.width;
  int64_t stride = int64_t{p.places} * p.width;
  unsigned step = gridDim.y * blockDim.x * SIZE;
  for (unsigned k = (blockIdx.y * blockDim.x + threadIdx.x) * SIZE; k < elements; k += step) {
    unsigned head = k / static_cast<unsigned>(p.width);
    put(to + head * stride + (k - head * static_cast<unsigned>(p.width)),
        *reinterpret_cast<const Piece *>(x + k));
  }
}

FOVEA_DEVICE void append_blocks(const KvAppendParams &p) {
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  int64_t place = place_of(p, row);
  if (place < 0) return;
  unsigned lane = threadIdx.x % 32, blocks = static_cast<unsigned>(p.width) / 32;
  unsigned all = static_cast<unsigned>(p.heads) * blocks;
  const float *x = p.x + int64_t{row} * all * 32;
  for (unsigned b = (blockIdx.y * blockDim.x + threadIdx.x) / 32; b < all;
       b += gridDim.y * blockDim.x / 32) {
    unsigned head = b / blocks;
    int64_t to = (place + int64_t{head} * p.places) * blocks + (b - head * blocks);
    float v[1] = {x[b * 32 + lane]};
    uint16_t scale = quantize_block<32>(v);
    static_cast<int8_t *>(p.cache)[to * 32 + lane] = static_cast<int8_t>(v[0]);
    if (lane == 0) p.scales[to] = scale;
  }
}

}  // namespace

FOVEA_KERNEL(kv_append_f32__one, KvAppendParams, 256) { append<float, float>(p); }
FOVEA_KERNEL(kv_append_f32__four, KvAppendParams, 256) { append<float, float4>(p); }
FOVEA_KERNEL(kv_append_f16__one, KvAppendParams, 256) { append<uint16_t, float>(p); }
FOVEA_KERNEL(kv_append_f16__four, KvAppendParams, 256) { append<uint16_t, float4>(p); }
FOVEA_KERNEL(kv_append_q8_0__block, KvAppendParams, 256) { append_blocks(p); }
