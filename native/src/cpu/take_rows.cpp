// y[r] = x[rows[r]]; row numbers are data and are checked. Traffic: the rows once.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &, const void *args) {
  auto *a = static_cast<const fovea_take_rows_args *>(args);
  int64_t count = live_rows(a->rows);
  int64_t have = live_rows(a->x);
  if (count < 0 || have < 0) return FOVEA_E_RANGE;
  int64_t width = a->x.dim[1];
  for (int64_t r = 0; r < count; r++) {
    int64_t row = i32(a->rows)[r];
    if (row < 0 || row >= have) return FOVEA_E_RANGE;
    memcpy(out32(a->y) + r * width, f32(a->x) + row * width, static_cast<size_t>(width) * 4);
  }
  return FOVEA_OK;
}

const Kernel kernels[] = {{"take_rows", "f32,i32->f32", FOVEA_VARIANT, sizeof(fovea_take_rows_args),
                           run_, rejects<fovea_take_rows_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(take_rows)
}  // namespace fovea
