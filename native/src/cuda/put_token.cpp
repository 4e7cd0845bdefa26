#include "cuda/put_token.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"put_token"};
Function<PutTokenParams> row{file, "put_token__row"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_put_token_args *>(args);
  PutTokenParams p{out_i32(a->y),    i32(a->ids),      i32(a->seq),   i32(a->pos),
                   a->tokens.dim[0], a->tokens.dim[1], l.rows(a->ids)};
  l.launch(row, pieces(a->ids.dim[0], 128), 128, 0, p, OVERLAP);
}

const Kernel kernels[] = {{"put_token", "i32,i32,i32,i32->i32", "row", 80,
                           sizeof(fovea_put_token_args), run, rejects<fovea_put_token_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(put_token)
}  // namespace fovea
