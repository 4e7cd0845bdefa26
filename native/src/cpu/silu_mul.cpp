// y = silu(g) * u, element by element. Traffic: 12 bytes an element.

#include "math.h"
#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_silu_mul_args *>(args);
  int64_t rows = live_rows(a->y);
  if (rows < 0) return FOVEA_E_RANGE;
  const float *g = f32(a->g);
  const float *u = f32(a->u);
  float *y = out32(a->y);
  ranges(run, rows * row_elements(a->y), 1 << 13, [&](int64_t from, int64_t to, int) {
    for (int64_t i = from; i < to; i++) y[i] = silu(g[i]) * u[i];
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"silu_mul", "f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_silu_mul_args),
                           run_, rejects<fovea_silu_mul_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(silu_mul)
}  // namespace fovea
