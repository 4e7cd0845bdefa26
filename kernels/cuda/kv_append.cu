// Writes keys or values into their pages. Blocks along x are rows, along y pieces of a row; a thread writes one element, or four
// neighbours. A row whose position, sequence or page is out of range is reported and not written. Traffic: the rows read and
// written once.

#include "cuda/block.cuh"
#include "cuda/kv_append.h"

namespace {

FOVEA_DEVICE void put(float *to, float v) { *to = v; }
FOVEA_DEVICE void put(uint16_t *to, float v) { *to = f32_to_f16(v); }
FOVEA_DEVICE void put(float *to, float4 v) { *reinterpret_cast<float4 *>(to) = v; }
FOVEA_DEVICE void put(uint16_t *to, float4 v) {
  *reinterpret_cast<uint2 *>(to) = make_uint2(pack_f16(v.x, v.y), pack_f16(v.z, v.w));
}

template <class Element, class Piece>
FOVEA_DEVICE void append(const KvAppendParams &p) {
  constexpr unsigned SIZE = sizeof(Piece) / 4;
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row >= live_rows(p.rows)) return;
  int pos = p.pos[row], seq = p.seq[row];
  int page = -1;
  if (pos >= 0 && pos / p.places < p.table && seq >= 0 && seq < p.sequences)
    page = p.pages[int64_t{seq} * p.table + pos / p.places];
  if (page < 0 || page >= p.page_count) {
    if (threadIdx.x == 0) report(p.rows.error);
    return;
  }
  unsigned elements = static_cast<unsigned>(p.heads) * static_cast<unsigned>(p.width);
  const float *x = p.x + int64_t{row} * elements;
  // Of head 0; the next one is a page's places further.
  auto *to = static_cast<Element *>(p.cache) +
             (int64_t{page} * p.heads * p.places + pos % p.places) * p.width;
  int64_t stride = int64_t{p.places} * p.width;
  unsigned step = gridDim.y * blockDim.x * SIZE;
  for (unsigned k = (blockIdx.y * blockDim.x + threadIdx.x) * SIZE; k < elements; k += step) {
    unsigned head = k / static_cast<unsigned>(p.width);
    put(to + head * stride + (k - head * static_cast<unsigned>(p.width)),
        *reinterpret_cast<const Piece *>(x + k));
  }
}

}  // namespace

FOVEA_KERNEL(kv_append_f32__one, KvAppendParams, 256) { append<float, float>(p); }
FOVEA_KERNEL(kv_append_f32__four, KvAppendParams, 256) { append<float, float4>(p); }
FOVEA_KERNEL(kv_append_f16__one, KvAppendParams, 256) { append<uint16_t, float>(p); }
FOVEA_KERNEL(kv_append_f16__four, KvAppendParams, 256) { append<uint16_t, float4>(p); }
