// y = a + b. Traffic: 12 bytes an element.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_add_args *>(args);
  int64_t rows = live_rows(a->y);
  if (rows < 0) return FOVEA_E_RANGE;
  const float *x = f32(a->a);
  const float *z = f32(a->b);
  float *y = out32(a->y);
  ranges(run, rows * row_elements(a->y), 1 << 14, [&](int64_t from, int64_t to, int) {
    for (int64_t i = from; i < to; i++) y[i] = x[i] + z[i];
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"add", "f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_add_args), run_,
                           rejects<fovea_add_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(add)
}  // namespace fovea
