// y = (x - mean) / sqrt(var + eps) * g + b, one row a piece; mean first, then the squares of the differences, so that a
// large mean costs no digits. Traffic: 8 bytes an element.

#include <math.h>

#include "math.h"
#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_layer_norm_args *>(args);
  int64_t rows = live_rows(a->x);
  if (rows < 0) return FOVEA_E_RANGE;
  int64_t width = a->x.dim[1];
  float eps = static_cast<float>(a->eps);
  const float *g = f32(a->g);
  const float *b = f32(a->b);
  ranges(run, rows, 4, [&](int64_t from, int64_t to, int) {
    for (int64_t t = from; t < to; t++) {
      const float *x = f32(a->x) + t * width;
      float *y = out32(a->y) + t * width;
      float mean = sum_of(width, [&](int64_t i) { return x[i]; }) / static_cast<float>(width);
      float squares = sum_of(width, [&](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
      float scale = 1.f / sqrtf(squares / static_cast<float>(width) + eps);
      for (int64_t i = 0; i < width; i++) y[i] = (x[i] - mean) * scale * g[i] + b[i];
    }
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"layer_norm", "f32,f32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_layer_norm_args), run_, rejects<fovea_layer_norm_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(layer_norm)
}  // namespace fovea
