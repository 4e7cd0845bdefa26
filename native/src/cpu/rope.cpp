// Turns pairs of a head's elements by pos * scale / theta^(2i/Dh). Angles are double: at position 4096 a binary32 angle is
// already off by 1e-4. The sines of a row are computed once for all its heads. Traffic: 8 bytes an element.

#include <math.h>

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_rope_args *>(args);
  int64_t rows = live_rows(a->x);
  if (rows < 0) return FOVEA_E_RANGE;
  int64_t heads = a->x.dim[1];
  int64_t width = a->x.dim[2];
  int64_t half = width / 2;
  bool neighbours = a->neighbours != 0;
  auto *frequency = reinterpret_cast<double *>(run.scratch);
  for (int64_t i = 0; i < half; i++)
    frequency[i] =
        a->scale * pow(a->theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
  auto *tables = reinterpret_cast<float *>(run.scratch + align64(half * 8));
  ranges(run, rows, 1, [&](int64_t from, int64_t to, int thread) {
    float *cosine = tables + thread * width;
    float *sine = cosine + half;
    for (int64_t t = from; t < to; t++) {
      double pos = i32(a->pos)[t];
      for (int64_t i = 0; i < half; i++) {
        cosine[i] = static_cast<float>(cos(pos * frequency[i]));
        sine[i] = static_cast<float>(sin(pos * frequency[i]));
      }
      for (int64_t h = 0; h < heads; h++) {
        const float *x = f32(a->x) + (t * heads + h) * width;
        float *y = out32(a->y) + (t * heads + h) * width;
        for (int64_t i = 0; i < half; i++) {
          int64_t first = neighbours ? 2 * i : i;
          int64_t second = neighbours ? 2 * i + 1 : i + half;
          float p = x[first];
          float q = x[second];
          y[first] = p * cosine[i] - q * sine[i];
          y[second] = q * cosine[i] + p * sine[i];
        }
      }
    }
  });
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  auto *a = static_cast<const fovea_rope_args *>(args);
  return align64(a->x.dim[2] / 2 * 8) + int64_t{4} * a->x.dim[2] * threads;
}

const Kernel kernels[] = {{"rope", "f32,i32->f32", FOVEA_VARIANT, sizeof(fovea_rope_args), run_,
                           rejects<fovea_rope_args>, scratch}};

}  // namespace
FOVEA_KERNELS(rope)
}  // namespace fovea
