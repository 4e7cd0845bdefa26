#include "cuda/embed.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"embed"};
// By fovea_dtype.
Function<EmbedParams> one[] = {{file, "embed_f32__one"},
                               {file, "embed_f16__one"},
                               {file, "embed_bf16__one"},
                               {file, "embed_q8_0__one"},
                               {file, "embed_q4_0__one"}};
Function<EmbedParams> four[] = {{file, "embed_f32__four"},
                                {file, "embed_f16__four"},
                                {file, "embed_bf16__four"},
                                {file, "embed_q8_0__four"},
                                {file, "embed_q4_0__four"}};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_embed_args *>(args);
  EmbedParams p{i32(a->ids),
                a->table.data,
                blocks(a->table) ? static_cast<const uint16_t *>(scales(a->table)) : nullptr,
                f32(a->image),
                out32(a->y),
                a->table.dim[0],
                a->image.data ? a->image.dim[0] : 0,
                static_cast<uint32_t>(a->table.dim[1]),
                l.rows(a->ids)};
  bool fours = p.width % 4 == 0 && aligned16(p.table, p.image, p.y);
  l.launch((fours ? four : one)[a->table.dtype],
           rows_by_pieces(a->ids.dim[0], p.width, fours ? 4 * 256 : 256), 256, 0, p, OVERLAP);
}

#define TABLE(type)                                                              \
  {"embed", "i32," type ",_->f32",     "four",    80, sizeof(fovea_embed_args),  \
   run,     rejects<fovea_embed_args>, no_scratch},                              \
  {                                                                              \
    "embed", "i32," type ",f32->f32", "four", 80, sizeof(fovea_embed_args), run, \
        rejects<fovea_embed_args>, no_scratch                                    \
  }

const Kernel kernels[] = {TABLE("f32"), TABLE("f16"), TABLE("bf16"), TABLE("q8_0"), TABLE("q4_0")};

}  // namespace
FOVEA_KERNELS(embed)
}  // namespace fovea
