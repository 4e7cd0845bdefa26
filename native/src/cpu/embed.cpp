// Rows of the embedding table, or of picture features where an id is negative; dequantized exactly. Ids are data and are
// checked before anything is read. Traffic: the rows once.

#include "half.h"
#include "run.h"

namespace fovea {
namespace {

void widen(const fovea_tensor &table, int64_t row, float *y) {
  int64_t width = table.dim[1];
  switch (table.dtype) {
    case FOVEA_F32:
      memcpy(y, f32(table) + row * width, static_cast<size_t>(width) * 4);
      break;
    case FOVEA_F16: {
      auto *w = static_cast<const uint16_t *>(table.data) + row * width;
      for (int64_t i = 0; i < width; i++) y[i] = from_half(w[i]);
      break;
    }
    case FOVEA_BF16: {
      auto *w = static_cast<const uint16_t *>(table.data) + row * width;
      for (int64_t i = 0; i < width; i++) y[i] = from_bfloat(w[i]);
      break;
    }
    case FOVEA_Q8_0: {
      auto *b = static_cast<const fovea_q8_0 *>(table.data) + row * (width / FOVEA_BLOCK);
      for (int64_t i = 0; i < width; i++)
        y[i] = from_half(b[i / FOVEA_BLOCK].d) *
               static_cast<float>(b[i / FOVEA_BLOCK].q[i % FOVEA_BLOCK]);
      break;
    }
    default: {
      auto *b = static_cast<const fovea_q4_0 *>(table.data) + row * (width / FOVEA_BLOCK);
      for (int64_t i = 0; i < width; i++) {
        int64_t j = i % FOVEA_BLOCK;
        uint8_t q = b[i / FOVEA_BLOCK].q[j % 16];
        y[i] = from_half(b[i / FOVEA_BLOCK].d) * static_cast<float>((j < 16 ? q & 15 : q >> 4) - 8);
      }
    }
  }
}

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_embed_args *>(args);
  int64_t rows = live_rows(a->ids);
  if (rows < 0) return FOVEA_E_RANGE;
  int64_t width = a->table.dim[1];
  int64_t image_rows = a->image.data ? a->image.dim[0] : 0;
  for (int64_t t = 0; t < rows; t++) {
    int64_t id = i32(a->ids)[t];
    if (id >= a->table.dim[0] || -id - 1 >= image_rows) return FOVEA_E_RANGE;
  }
  ranges(run, rows, 4, [&](int64_t from, int64_t to, int) {
    for (int64_t t = from; t < to; t++) {
      int64_t id = i32(a->ids)[t];
      float *y = out32(a->y) + t * width;
      if (id >= 0) {
        widen(a->table, id, y);
      } else {
        memcpy(y, f32(a->image) + (-id - 1) * width, static_cast<size_t>(width) * 4);
      }
    }
  });
  return FOVEA_OK;
}

#define TABLE(type)                                                                  \
  {"embed", "i32," type ",_->f32",     FOVEA_VARIANT, sizeof(fovea_embed_args),      \
   run_,    rejects<fovea_embed_args>, no_scratch},                                  \
  {                                                                                  \
    "embed", "i32," type ",f32->f32", FOVEA_VARIANT, sizeof(fovea_embed_args), run_, \
        rejects<fovea_embed_args>, no_scratch                                        \
  }

const Kernel kernels[] = {TABLE("f32"), TABLE("f16"), TABLE("bf16"), TABLE("q8_0"), TABLE("q4_0")};

}  // namespace
FOVEA_KERNELS(embed)
}  // namespace fovea
