// a's rows, then b's. Traffic: both once.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &, const void *args) {
  auto *a = static_cast<const fovea_concat_rows_args *>(args);
  size_t first = static_cast<size_t>(elements(a->a));
  memcpy(a->y.data, a->a.data, first * 4);
  memcpy(out32(a->y) + first, a->b.data, static_cast<size_t>(elements(a->b)) * 4);
  return FOVEA_OK;
}

const Kernel kernels[] = {{"concat_rows", "f32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_concat_rows_args), run_, rejects<fovea_concat_rows_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(concat_rows)
}  // namespace fovea
