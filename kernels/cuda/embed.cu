// Rows of the embedding table, or of picture features where an id is negative; dequantized exactly. Blocks along x are rows,
// along y pieces of a row; a thread takes one element, or four neighbours, which lie in one half of a block. An id out of range
// is reported and its row left alone. Traffic: the rows once.

#include "common/blocks.h"
#include "cuda/block.cuh"
#include "cuda/embed.h"

namespace {

// at(i): element i of the table; four(i): elements i to i+3, i a multiple of 4.
struct Floats {
  const float *table;
  FOVEA_DEVICE explicit Floats(const EmbedParams &p) : table(static_cast<const float *>(p.table)) {}
  FOVEA_DEVICE float at(int64_t i) const { return table[i]; }
  FOVEA_DEVICE float4 four(int64_t i) const { return *reinterpret_cast<const float4 *>(table + i); }
};

struct Halves {
  const uint16_t *table;
  FOVEA_DEVICE explicit Halves(const EmbedParams &p)
      : table(static_cast<const uint16_t *>(p.table)) {}
  FOVEA_DEVICE float at(int64_t i) const { return f16_to_f32(table[i]); }
  FOVEA_DEVICE float4 four(int64_t i) const {
    uint2 v = *reinterpret_cast<const uint2 *>(table + i);
    float2 low = unpack_f16(v.x), high = unpack_f16(v.y);
    return make_float4(low.x, low.y, high.x, high.y);
  }
};

struct Bfloats {
  const uint16_t *table;
  FOVEA_DEVICE explicit Bfloats(const EmbedParams &p)
      : table(static_cast<const uint16_t *>(p.table)) {}
  FOVEA_DEVICE float at(int64_t i) const { return bf16_to_f32(table[i]); }
  FOVEA_DEVICE float4 four(int64_t i) const {
    uint2 v = *reinterpret_cast<const uint2 *>(table + i);
    float2 low = unpack_bf16(v.x), high = unpack_bf16(v.y);
    return make_float4(low.x, low.y, high.x, high.y);
  }
};

struct Bytes {
  const int8_t *quants;
  const uint16_t *scales;
  FOVEA_DEVICE explicit Bytes(const EmbedParams &p)
      : quants(static_cast<const int8_t *>(p.table)), scales(p.scales) {}
  static FOVEA_DEVICE float value(float d, uint32_t low_byte) {
    return d * static_cast<float>(static_cast<int8_t>(low_byte));
  }
  FOVEA_DEVICE float at(int64_t i) const {
    return f16_to_f32(scales[i / FOVEA_BLOCK]) * static_cast<float>(quants[i]);
  }
  FOVEA_DEVICE float4 four(int64_t i) const {
    float d = f16_to_f32(scales[i / FOVEA_BLOCK]);
    uint32_t q = *reinterpret_cast<const uint32_t *>(quants + i);
    return make_float4(value(d, q), value(d, q >> 8), value(d, q >> 16), value(d, q >> 24));
  }
};

struct Nibbles {
  const uint8_t *quants;
  const uint16_t *scales;
  FOVEA_DEVICE explicit Nibbles(const EmbedParams &p)
      : quants(static_cast<const uint8_t *>(p.table)), scales(p.scales) {}
  // The first half of a block lies in the low nibbles.
  static FOVEA_DEVICE float value(float d, uint32_t bytes, int place, bool high) {
    uint32_t q = bytes >> (8 * place + (high ? 4 : 0)) & 15u;
    return d * static_cast<float>(static_cast<int>(q) - 8);
  }
  static FOVEA_DEVICE int64_t byte(int64_t i) { return i / FOVEA_BLOCK * 16 + i % 16; }
  FOVEA_DEVICE float at(int64_t i) const {
    return value(f16_to_f32(scales[i / FOVEA_BLOCK]), quants[byte(i)], 0, i % FOVEA_BLOCK >= 16);
  }
  FOVEA_DEVICE float4 four(int64_t i) const {
    float d = f16_to_f32(scales[i / FOVEA_BLOCK]);
    uint32_t q = *reinterpret_cast<const uint32_t *>(quants + byte(i));
    bool high = i % FOVEA_BLOCK >= 16;
    return make_float4(value(d, q, 0, high), value(d, q, 1, high), value(d, q, 2, high),
                       value(d, q, 3, high));
  }
};

template <class Table, bool FOUR>
FOVEA_DEVICE void embed(const EmbedParams &p) {
  take_turn();
  int row = static_cast<int>(blockIdx.x);
  if (row >= live_rows(p.rows)) return;
  int id = p.ids[row];
  // -1 - id cannot overflow where -id could.
  if (id >= p.words || (id < 0 && -1 - id >= p.image_rows)) {
    if (threadIdx.x == 0) report(p.rows.error);
    return;
  }
  Table table(p);
  int64_t from = (id >= 0 ? int64_t{id} : -1 - int64_t{id}) * p.width;
  float *y = p.y + int64_t{row} * p.width;
  constexpr unsigned SIZE = FOUR ? 4 : 1;
  unsigned step = gridDim.y * blockDim.x * SIZE;
  for (unsigned i = (blockIdx.y * blockDim.x + threadIdx.x) * SIZE; i < p.width; i += step) {
    if constexpr (FOUR) {
      *reinterpret_cast<float4 *>(y + i) =
          id >= 0 ? table.four(from + i) : *reinterpret_cast<const float4 *>(p.image + from + i);
    } else {
      y[i] = id >= 0 ? table.at(from + i) : p.image[from + i];
    }
  }
}

}  // namespace

FOVEA_KERNEL(embed_f32__one, EmbedParams, 256) { embed<Floats, false>(p); }
FOVEA_KERNEL(embed_f32__four, EmbedParams, 256) { embed<Floats, true>(p); }
FOVEA_KERNEL(embed_f16__one, EmbedParams, 256) { embed<Halves, false>(p); }
FOVEA_KERNEL(embed_f16__four, EmbedParams, 256) { embed<Halves, true>(p); }
FOVEA_KERNEL(embed_bf16__one, EmbedParams, 256) { embed<Bfloats, false>(p); }
FOVEA_KERNEL(embed_bf16__four, EmbedParams, 256) { embed<Bfloats, true>(p); }
FOVEA_KERNEL(embed_q8_0__one, EmbedParams, 256) { embed<Bytes, false>(p); }
FOVEA_KERNEL(embed_q8_0__four, EmbedParams, 256) { embed<Bytes, true>(p); }
FOVEA_KERNEL(embed_q4_0__one, EmbedParams, 256) { embed<Nibbles, false>(p); }
FOVEA_KERNEL(embed_q4_0__four, EmbedParams, 256) { embed<Nibbles, true>(p); }
