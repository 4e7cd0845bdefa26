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

const char *rejects(const void *args) {
  auto *a = static_cast<const fovea_concat_rows_args *>(args);
  if (!is(a->a, FOVEA_F32, 2) || !is(a->b, FOVEA_F32, 2) || !is(a->y, FOVEA_F32, 2))
    return "a, b and y must be f32 [*,E]";
  if (a->a.dim[1] != a->b.dim[1] || a->a.dim[1] != a->y.dim[1] ||
      a->y.dim[0] != a->a.dim[0] + a->b.dim[0])
    return "y must have a's rows and b's";
  return nullptr;
}

const Kernel kernels[] = {{"concat_rows", "f32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_concat_rows_args), run_, rejects, no_scratch}};

}  // namespace
FOVEA_KERNELS(concat_rows)
}  // namespace fovea
