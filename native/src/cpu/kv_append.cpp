// Writes keys or values into their pages. Pages, sequences and positions are data, so they are checked before anything is
// written. Traffic: the rows read and written once.

#include "half.h"
#include "quantize.h"
#include "run.h"

namespace fovea {
namespace {

template <int32_t DTYPE>
int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_kv_append_args *>(args);
  int64_t rows = live_rows(a->x);
  if (rows < 0) return FOVEA_E_RANGE;
  int64_t heads = a->cache.dim[1];
  int64_t places = a->cache.dim[2];
  int64_t width = a->cache.dim[3];
  for (int64_t t = 0; t < rows; t++) {
    int32_t pos = i32(a->pos)[t];
    int32_t seq = i32(a->seq)[t];
    if (pos < 0 || pos / places >= a->pages.dim[1] || seq < 0 || seq >= a->pages.dim[0])
      return FOVEA_E_RANGE;
    int32_t page = i32(a->pages)[int64_t{seq} * a->pages.dim[1] + pos / places];
    if (page < 0 || page >= a->cache.dim[0]) return FOVEA_E_RANGE;
  }
  ranges(run, rows, 8, [&](int64_t from, int64_t to, int) {
    for (int64_t t = from; t < to; t++) {
      int32_t pos = i32(a->pos)[t];
      int64_t page = i32(a->pages)[int64_t{i32(a->seq)[t]} * a->pages.dim[1] + pos / places];
      for (int64_t h = 0; h < heads; h++) {
        const float *x = f32(a->x) + (t * heads + h) * width;
        int64_t at = ((page * heads + h) * places + pos % places) * width;
        if constexpr (DTYPE == FOVEA_Q8_0) {
          auto *y = static_cast<fovea_q8_0 *>(a->y.data) + at / FOVEA_BLOCK;
          for (int64_t i = 0; i < width; i += FOVEA_BLOCK) quantize(x + i, y++);
        } else if constexpr (DTYPE == FOVEA_F16) {
          auto *y = static_cast<uint16_t *>(a->y.data) + at;
          for (int64_t i = 0; i < width; i++) y[i] = to_half(x[i]);
        } else {
          memcpy(out32(a->y) + at, x, static_cast<size_t>(width) * 4);
        }
      }
    }
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {
    {"kv_append", "f32,f32,i32,i32,i32->f32", FOVEA_VARIANT, sizeof(fovea_kv_append_args),
     run_<FOVEA_F32>, rejects<fovea_kv_append_args>, no_scratch},
    {"kv_append", "f16,f32,i32,i32,i32->f16", FOVEA_VARIANT, sizeof(fovea_kv_append_args),
     run_<FOVEA_F16>, rejects<fovea_kv_append_args>, no_scratch},
    {"kv_append", "q8_0,f32,i32,i32,i32->q8_0", FOVEA_VARIANT, sizeof(fovea_kv_append_args),
     run_<FOVEA_Q8_0>, rejects<fovea_kv_append_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(kv_append)
}  // namespace fovea
