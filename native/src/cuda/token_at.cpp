#include "cuda/token_at.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"token_at"};
Function<TokenAtParams> row{file, "token_at__row"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_token_at_args *>(args);
  TokenAtParams p{i32(a->tokens),   i32(a->seq),      i32(a->pos),   out_i32(a->y),
                  a->tokens.dim[0], a->tokens.dim[1], l.rows(a->pos)};
  l.launch(row, pieces(a->pos.dim[0], 128), 128, 0, p, OVERLAP);
}

const Kernel kernels[] = {{"token_at", "i32,i32,i32->i32", "row", 80, sizeof(fovea_token_at_args),
                           run, rejects<fovea_token_at_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(token_at)
}  // namespace fovea
