#include "elementwise.h"

namespace fovea {
namespace {

Module file{"quick_gelu"};
Function<ElementwiseParams> one{file, "quick_gelu__one"}, four{file, "quick_gelu__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_quick_gelu_args *>(args);
  elementwise(l, one, four, a->x, nullptr, a->y);
}

const Kernel kernels[] = {{"quick_gelu", "f32->f32", "four", 80, sizeof(fovea_quick_gelu_args), run,
                           rejects<fovea_quick_gelu_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(quick_gelu)
}  // namespace fovea
