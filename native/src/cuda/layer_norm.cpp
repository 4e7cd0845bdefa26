#include "cuda/layer_norm.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"layer_norm"};
Function<LayerNormParams> one{file, "layer_norm__one"}, four{file, "layer_norm__four"};

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_layer_norm_args *>(args);
  LayerNormParams p{f32(a->x),
                    f32(a->g),
                    f32(a->b),
                    out32(a->y),
                    static_cast<uint32_t>(a->x.dim[1]),
                    static_cast<float>(a->eps),
                    l.rows(a->x)};
  bool fours = p.width % 4 == 0 && aligned16(p.x, p.g, p.b, p.y);
  l.launch(fours ? four : one, a->x.dim[0], row_threads(p.width), 0, p, OVERLAP);
}

const Kernel kernels[] = {{"layer_norm", "f32,f32,f32->f32", "four", 80,
                           sizeof(fovea_layer_norm_args), run, rejects<fovea_layer_norm_args>,
                           no_scratch}};

}  // namespace
FOVEA_KERNELS(layer_norm)
}  // namespace fovea
