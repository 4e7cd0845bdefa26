#include "cuda/resize.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"resize"};
Function<ResizeParams> tile{file, "resize__tile"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_resize_args *>(args);
  ResizeParams p{u8(a->picture),    i32(a->geometry), i32(a->across), i32(a->down),
                 i32(a->weights),   f32(a->levels),   out32(a->y),    a->picture.dim[0],
                 a->weights.dim[0], a->y.dim[1],      a->y.dim[2],    l.report()};
  l.launch(tile, {pieces(p.columns, 32), pieces(p.rows, 8)}, 256, 0, p, OVERLAP);
}

// A launch has at most 65535 blocks downwards.
const char *rejects_(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const fovea_resize_args *>(args);
  if (const char *why = check(*a)) return why;
  return pieces(a->y.dim[1], 8) > 65535 ? "Y must be at most 524280" : nullptr;
}

const Kernel kernels[] = {{"resize", "f32,u8,i32,i32,i32,i32,f32->f32", "tile", 80,
                           sizeof(fovea_resize_args), run, rejects_, no_scratch}};

}  // namespace
FOVEA_KERNELS(resize)
}  // namespace fovea
