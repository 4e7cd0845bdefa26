// tokens[seq[t], pos[t] + 1] = ids[t] where pos[t] >= 0, in place; all rows are checked before anything is written.

#include "run.h"

namespace fovea {
namespace {

int32_t run_(Run &, const void *args) {
  auto *a = static_cast<const fovea_put_token_args *>(args);
  int64_t rows = live_rows(a->ids);
  if (rows < 0) return FOVEA_E_RANGE;
  for (int64_t t = 0; t < rows; t++) {
    int64_t seq = i32(a->seq)[t];
    int64_t pos = i32(a->pos)[t];
    if (seq < 0 || seq >= a->tokens.dim[0] || pos + 1 >= a->tokens.dim[1]) return FOVEA_E_RANGE;
  }
  auto *tokens = out_i32(a->y);
  for (int64_t t = 0; t < rows; t++)
    if (i32(a->pos)[t] >= 0)
      tokens[int64_t{i32(a->seq)[t]} * a->tokens.dim[1] + i32(a->pos)[t] + 1] = i32(a->ids)[t];
  return FOVEA_OK;
}

const Kernel kernels[] = {{"put_token", "i32,i32,i32,i32->i32", FOVEA_VARIANT,
                           sizeof(fovea_put_token_args), run_, rejects<fovea_put_token_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(put_token)
}  // namespace fovea
