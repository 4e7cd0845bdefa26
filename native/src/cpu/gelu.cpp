// y = gelu(x), element by element. Traffic: 8 bytes an element.

#include <math.h>

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_gelu_args *>(args);
  int64_t rows = live_rows(a->y);
  if (rows < 0) return FOVEA_E_RANGE;
  const float *x = f32(a->x);
  float *y = out32(a->y);
  ranges(run, rows * row_elements(a->y), 1 << 12, [&](int64_t from, int64_t to, int) {
    for (int64_t i = from; i < to; i++) y[i] = 0.5f * x[i] * (1.f + erff(x[i] * 0.70710678f));
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"gelu", "f32->f32", FOVEA_VARIANT, sizeof(fovea_gelu_args), run_,
                           rejects<fovea_gelu_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(gelu)
}  // namespace fovea
