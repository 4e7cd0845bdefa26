#include "cuda/sample.h"

#include "launch.h"

namespace fovea {
namespace {

Module file{"sample"};
Function<SampleParams> row{file, "sample__row"};

// Ids whose bits fit beside the block's other shared memory in what every device grants.
constexpr int64_t MOST_IDS = 65536;

const char *refuses(const DeviceInfo &device, const void *args) {
  if (const char *why = rejects<fovea_sample_args>(device, args)) return why;
  auto *a = static_cast<const fovea_sample_args *>(args);
  return a->vocabulary <= MOST_IDS ? nullptr : "sums of more than 65536 weights might overflow";
}

int64_t scratch(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const fovea_sample_args *>(args);
  return a->logits.dim[0] * a->vocabulary * 4;
}

void run(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_sample_args *>(args);
  auto ids = static_cast<int32_t>(a->vocabulary);
  SampleParams p{f32(a->logits),    a->logits.dim[1],
                 i32(a->tokens),    i32(a->seq),
                 i32(a->pos),       f32(a->control),
                 i32(a->seed),      reinterpret_cast<float *>(l.scratch),
                 out_i32(a->y),     ids,
                 a->tokens.dim[0],  a->tokens.dim[1],
                 l.rows(a->logits), l.report(FOVEA_E_NUMBER)};
  l.launch(row, a->logits.dim[0], 1024, (ids + 31) / 32 * 4, p, OVERLAP);
}

const Kernel kernels[] = {{"sample", "f32,i32,i32,i32,f32,i32->i32", "row", 80,
                           sizeof(fovea_sample_args), run, refuses, scratch}};

}  // namespace
FOVEA_KERNELS(sample)
}  // namespace fovea
