#include "cuda/persistent.h"
#include "launch.h"

namespace fovea {
namespace {

Module file{"rms_norm"};
Function<RmsNormParams> one{file, "rms_norm__one"},
    four{file, "rms_norm__four", 0, {PHASE_RMS_NORM}};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_rms_norm_args *>(args);
  RmsNormParams p{f32(a->x),
                  f32(a->g),
                  out32(a->y),
                  static_cast<uint32_t>(a->x.dim[1]),
                  static_cast<float>(a->eps),
                  l.rows(a->x)};
  bool fours = p.width % 4 == 0 && aligned16(p.x, p.g, p.y);
  l.launch(fours ? four : one, a->x.dim[0], row_threads(p.width), 0, p, OVERLAP);
}

const Kernel kernels[] = {{"rms_norm", "f32,f32->f32", "four", 80, sizeof(fovea_rms_norm_args), run,
                           rejects<fovea_rms_norm_args>, no_scratch}};

}  // namespace
FOVEA_KERNELS(rms_norm)
}  // namespace fovea
