#include "elementwise.h"

namespace fovea {
namespace {

Module file{"add"};
Function<ElementwiseParams> one{file, "add__one"}, four{file, "add__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_add_args *>(args);
  elementwise(l, one, four, a->a, &a->b, a->y);
}

const Kernel kernels[] = {{"add", "f32,f32->f32", "four", 80, sizeof(fovea_add_args), run,
                           rejects<fovea_add_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(add)
}  // namespace fovea
