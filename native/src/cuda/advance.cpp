#include "cuda/advance.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"advance"};
Function<AdvanceParams> row{file, "advance__row"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_advance_args *>(args);
  AdvanceParams p{out_i32(a->y), l.rows(a->pos)};
  l.launch(row, pieces(a->pos.dim[0], 128), 128, 0, p, OVERLAP);
}

const Kernel kernels[] = {{"advance", "i32->i32", "row", 80, sizeof(fovea_advance_args), run,
                           rejects<fovea_advance_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(advance)
}  // namespace fovea
