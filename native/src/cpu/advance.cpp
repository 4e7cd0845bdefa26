// pos += 1, in place.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &, const void *args) {
  auto *a = static_cast<const fovea_advance_args *>(args);
  int64_t rows = live_rows(a->pos);
  if (rows < 0) return FOVEA_E_RANGE;
  auto *pos = out_i32(a->y);
  for (int64_t t = 0; t < rows; t++)
    if (pos[t] == INT32_MAX) return FOVEA_E_RANGE;
  for (int64_t t = 0; t < rows; t++) pos[t]++;
  return FOVEA_OK;
}

const Kernel kernels[] = {{"advance", "i32->i32", FOVEA_VARIANT, sizeof(fovea_advance_args), run_,
                           rejects<fovea_advance_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(advance)
}  // namespace fovea
