#include "cuda/patchify.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"patchify"};
Function<PatchifyParams> patch{file, "patchify__patch"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_patchify_args *>(args);
  PatchifyParams p{f32(a->pixels),   out32(a->y),      a->pixels.dim[0],
                   a->pixels.dim[1], a->pixels.dim[2], static_cast<int32_t>(a->patch)};
  l.launch(patch, a->y.dim[0], 256, 0, p, OVERLAP);
}

const Kernel kernels[] = {{"patchify", "f32->f32", "patch", 80, sizeof(fovea_patchify_args), run,
                           rejects<fovea_patchify_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(patchify)
}  // namespace fovea
