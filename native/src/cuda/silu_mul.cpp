#include "elementwise.h"

namespace fovea {
namespace {

Module file{"silu_mul"};
Function<ElementwiseParams> one{file, "silu_mul__one"}, four{file, "silu_mul__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_silu_mul_args *>(args);
  elementwise(l, one, four, a->g, &a->u, a->y);
}

const Kernel kernels[] = {{"silu_mul", "f32,f32->f32", "four", 80, sizeof(fovea_silu_mul_args), run,
                           rejects<fovea_silu_mul_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(silu_mul)
}  // namespace fovea
