#include "cuda/add.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"add"};
Function<AddParams> one{file, "add__one"}, four{file, "add__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_add_args *>(args);
  AddParams p{f32(a->a), f32(a->b), out32(a->y), row_elements(a->y), l.rows(a->y)};
  int64_t n = elements(a->y);
  if (p.width % 4 == 0 && aligned16(p.a, p.b, p.y)) {
    l.launch(four, pieces(n, 4 * 256), 256, 0, p);
  } else {
    l.launch(one, pieces(n, 256), 256, 0, p);
  }
}

const Kernel kernels[] = {{"add", "f32,f32->f32", "four", 80, sizeof(fovea_add_args), run,
                           rejects<fovea_add_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(add)
}  // namespace fovea
