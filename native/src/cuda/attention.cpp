#include "cuda/attention.h"

#include "launch.h"

namespace fovea {
namespace {

// Two stages of 64 keys and as many values of 64 numbers.
constexpr int TILES_BYTES = 2 * 2 * 64 * 64 * 4;

Module file{"attention"};
Function<AttentionParams> plain{file, "attention__plain"},
    tf32_parts{file, "attention__tf32_parts", TILES_BYTES};

AttentionParams params(Launch &l, const fovea_attention_args *a) {
  return {a->q.data,
          a->k.data,
          a->v.data,
          out32(a->y),
          a->q.dim[1],
          a->q.dim[2],
          static_cast<float>(a->scale),
          aligned16(a->q.data, a->k.data, a->v.data, a->y.data),
          l.rows(a->q)};
}

void run_plain(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  l.launch(plain, Grid(a->q.dim[0], a->q.dim[1]), 128, 0, params(l, a), OVERLAP);
}

void run_tf32_parts(Launch &l, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  l.launch(tf32_parts, Grid(pieces(a->q.dim[0], 32), a->q.dim[1]), 128, TILES_BYTES, params(l, a),
           OVERLAP);
}

const char *rejects_plain(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  if (const char *why = check(*a)) return why;
  return a->q.dim[1] <= 65535 ? nullptr : "too many heads";
}

const char *rejects_tf32_parts(const DeviceInfo &device, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  if (const char *why = rejects_plain(device, args)) return why;
  if (a->q.dim[2] != 64) return "heads must be 64 wide";
  return device.shared_bytes >= TILES_BYTES ? nullptr : "64 KiB of shared memory are needed";
}

const Kernel kernels[] = {
    {"attention", "f32,f32,f32->f32", "plain", 80, sizeof(fovea_attention_args), run_plain,
     rejects_plain, no_scratch},
    {"attention", "f32,f32,f32->f32", "tf32_parts", 80, sizeof(fovea_attention_args),
     run_tf32_parts, rejects_tf32_parts, no_scratch}};

}  // namespace
FOVEA_KERNELS(attention)
}  // namespace fovea
