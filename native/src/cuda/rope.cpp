#include "cuda/rope.h"

#include <math.h>

#include "launch.h"

namespace fovea {
namespace {

Module file{"rope"};
Function<RopeParams> row{file, "rope__row"};

void run(Launch &l, const void *args) {
  constexpr double PI = 3.14159265358979323846;
  auto *a = static_cast<const fovea_rope_args *>(args);
  int pairs = a->x.dim[2] / 2;
  RopeParams p{f32(a->x), i32(a->pos),        out32(a->y),  a->x.dim[1],
               pairs,     a->neighbours != 0, l.rows(a->x), {}};
  for (int i = 0; i < pairs; i++)
    p.turns[i] = a->scale * pow(a->theta, -static_cast<double>(i) / pairs) / PI;
  // The more pairs a block takes, the less its sines cost beside them; with few rows there are blocks to spare.
  int64_t piece = a->x.dim[0] < l.device.multiprocessors ? 256 : 2048;
  l.launch(row, rows_by_pieces(a->x.dim[0], int64_t{p.heads} * pairs, piece), 256, 0, p, OVERLAP);
}

const char *rejects_rope(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const fovea_rope_args *>(args);
  if (const char *why = check(*a)) return why;
  if (!countable(a->x)) return "rows too long";
  return a->x.dim[2] > 2 * ROPE_PAIRS ? "heads wider than 512" : nullptr;
}

const Kernel kernels[] = {
    {"rope", "f32,i32->f32", "row", 80, sizeof(fovea_rope_args), run, rejects_rope, no_scratch}};

}  // namespace
FOVEA_KERNELS(rope)
}  // namespace fovea
