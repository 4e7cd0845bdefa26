#include "cuda/concat_rows.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"concat_rows"};
Function<ConcatRowsParams> one{file, "concat_rows__one"}, four{file, "concat_rows__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_concat_rows_args *>(args);
  ConcatRowsParams p{f32(a->a), f32(a->b), out32(a->y), elements(a->a), elements(a->y)};
  if (a->y.dim[1] % 4 == 0 && aligned16(p.a, p.b, p.y)) {
    l.launch(four, pieces(p.total, 4 * 256), 256, 0, p, OVERLAP);
  } else {
    l.launch(one, pieces(p.total, 256), 256, 0, p, OVERLAP);
  }
}

const Kernel kernels[] = {{"concat_rows", "f32,f32->f32", "four", 80,
                           sizeof(fovea_concat_rows_args), run, rejects<fovea_concat_rows_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(concat_rows)
}  // namespace fovea
