#include "cuda/take_rows.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"take_rows"};
Function<TakeRowsParams> one{file, "take_rows__one"}, four{file, "take_rows__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_take_rows_args *>(args);
  TakeRowsParams p{f32(a->x),    i32(a->rows),   out32(a->y), static_cast<uint32_t>(a->x.dim[1]),
                   l.rows(a->x), l.rows(a->rows)};
  bool fours = p.width % 4 == 0 && aligned16(p.x, p.y);
  l.launch(fours ? four : one, rows_by_pieces(a->y.dim[0], p.width, fours ? 4 * 256 : 256), 256, 0,
           p, OVERLAP);
}

const Kernel kernels[] = {{"take_rows", "f32,i32->f32", "four", 80, sizeof(fovea_take_rows_args),
                           run, rejects<fovea_take_rows_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(take_rows)
}  // namespace fovea
