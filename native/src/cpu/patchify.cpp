// Pixels [C,Y,X] to patches [P,C*p*p]. Traffic: the picture read and written once.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_patchify_args *>(args);
  int64_t p = a->patch;
  int64_t channels = a->pixels.dim[0], height = a->pixels.dim[1], width = a->pixels.dim[2];
  int64_t across = width / p;
  each(run, height / p, [&](int64_t py, int) {
    for (int64_t px = 0; px < across; px++) {
      float *y = out32(a->y) + (py * across + px) * channels * p * p;
      for (int64_t c = 0; c < channels; c++)
        for (int64_t dy = 0; dy < p; dy++, y += p)
          memcpy(y, f32(a->pixels) + (c * height + py * p + dy) * width + px * p,
                 static_cast<size_t>(p) * 4);
    }
  });
  return FOVEA_OK;
}

const Kernel kernels[] = {{"patchify", "f32->f32", FOVEA_VARIANT, sizeof(fovea_patchify_args), run_,
                           rejects<fovea_patchify_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(patchify)
}  // namespace fovea
