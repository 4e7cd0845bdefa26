// y = x / sqrt(mean(x^2) + eps) * g, one row a piece. Traffic: 8 bytes an element; the row stays in cache between passes.

#include <math.h>

#include "math.h"
#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_rms_norm_args *>(args);
  int64_t rows = live_rows(a->x);
  if (rows < 0) return FOVEA_E_RANGE;
  int64_t width = a->x.dim[1];
  float eps = static_cast<float>(a->eps);
  const float *g = f32(a->g);
  ranges(run, rows, 4, [&](int64_t from, int64_t to, int) {
    for (int64_t t = from; t < to; t++) {
      const float *x = f32(a->x) + t * width;
      float *y = out32(a->y) + t * width;
      float sum = dot(x, x, width);
      float scale = 1.f / sqrtf(sum / static_cast<float>(width) + eps);
      for (int64_t i = 0; i < width; i++) y[i] = x[i] * scale * g[i];
    }
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"rms_norm", "f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_rms_norm_args),
                           run_, rejects<fovea_rms_norm_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(rms_norm)
}  // namespace fovea
