#include "elementwise.h"

namespace fovea {
namespace {

Module file{"gelu"};
Function<ElementwiseParams> one{file, "gelu__one"}, four{file, "gelu__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_gelu_args *>(args);
  elementwise(l, one, four, a->x, nullptr, a->y);
}

const Kernel kernels[] = {{"gelu", "f32->f32", "four", 80, sizeof(fovea_gelu_args), run,
                           rejects<fovea_gelu_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(gelu)
}  // namespace fovea
