// y[t] = tokens[seq[t], pos[t]]; sequences and positions are data and are checked.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &, const void *args) {
  auto *a = static_cast<const fovea_token_at_args *>(args);
  int64_t rows = live_rows(a->pos);
  if (rows < 0) return FOVEA_E_RANGE;
  for (int64_t t = 0; t < rows; t++) {
    int64_t seq = i32(a->seq)[t];
    int64_t pos = i32(a->pos)[t];
    if (seq < 0 || seq >= a->tokens.dim[0] || pos < 0 || pos >= a->tokens.dim[1])
      return FOVEA_E_RANGE;
    out_i32(a->y)[t] = i32(a->tokens)[seq * a->tokens.dim[1] + pos];
  }
  return FOVEA_OK;
}

const Kernel kernels[] = {{"token_at", "i32,i32,i32->i32", FOVEA_VARIANT,
                           sizeof(fovea_token_at_args), run_, rejects<fovea_token_at_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(token_at)
}  // namespace fovea
