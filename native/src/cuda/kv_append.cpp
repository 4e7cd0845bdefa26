#include "cuda/kv_append.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"kv_append"};
Function<KvAppendParams> full_one{file, "kv_append_f32__one"},
    full_four{file, "kv_append_f32__four"}, half_one{file, "kv_append_f16__one"},
    half_four{file, "kv_append_f16__four"}, block{file, "kv_append_q8_0__block"};

KvAppendParams params(const Launch &l, const fovea_kv_append_args *a) {
  return {a->cache.data,   static_cast<uint16_t *>(const_cast<void *>(scales(a->cache))),
          f32(a->x),       i32(a->pos),
          i32(a->seq),     i32(a->pages),
          a->cache.dim[0], a->cache.dim[1],
          a->cache.dim[2], a->cache.dim[3],
          a->pages.dim[0], a->pages.dim[1],
          l.rows(a->x)};
}

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_kv_append_args *>(args);
  KvAppendParams p = params(l, a);
  bool half = a->cache.dtype == FOVEA_F16;
  bool fours = p.width % 4 == 0 && aligned16(p.x, p.cache);
  l.launch(half    ? fours ? half_four : half_one
           : fours ? full_four
                   : full_one,
           rows_by_pieces(a->x.dim[0], int64_t{p.heads} * p.width, fours ? 4 * 256 : 256), 256, 0,
           p, OVERLAP);
}

void run_blocks(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_kv_append_args *>(args);
  KvAppendParams p = params(l, a);
  l.launch(block, rows_by_pieces(a->x.dim[0], int64_t{p.heads} * p.width, 256), 256, 0, p, OVERLAP);
}

const char *rejects_kv_append(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const fovea_kv_append_args *>(args);
  if (const char *why = check(*a)) return why;
  return countable(a->x) ? nullptr : "rows too long";
}

const Kernel kernels[] = {
    {"kv_append", "f32,f32,i32,i32,i32->f32", "four", 80, sizeof(fovea_kv_append_args), run,
     rejects_kv_append, no_scratch},
    {"kv_append", "f16,f32,i32,i32,i32->f16", "four", 80, sizeof(fovea_kv_append_args), run,
     rejects_kv_append, no_scratch},
    {"kv_append", "q8_0,f32,i32,i32,i32->q8_0", "block", 80, sizeof(fovea_kv_append_args),
     run_blocks, rejects_kv_append, no_scratch}};

}  // namespace
FOVEA_KERNELS(kv_append)
}  // namespace fovea
