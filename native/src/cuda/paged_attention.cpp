#include "cuda/paged_attention.h"

#include "launch.h"

namespace fovea {
namespace {

// Two stages of 64 keys and as many values of W halves.
template <int W>
constexpr int TILES_BYTES = 2 * 2 * 64 * W * 2;

// Rows up to which parts of the context are dealt out; above, tiles of rows share what they read.
constexpr int FEW = 16;

Module file{"paged_attention"};
Function<PagedAttentionParams> plain[2] = {{file, "paged_attention_f32__plain"},
                                           {file, "paged_attention_f16__plain"}};
Function<PagedAttentionParams> mma_64{file, "paged_attention_f16__mma_64", TILES_BYTES<64>},
    mma_128{file, "paged_attention_f16__mma_128", TILES_BYTES<128>};

// [binary16][width 128][queries 4][odd]
#define FOUR(name)                               \
  {                                              \
    {{file, name}, {file, name "_odd"}}, {       \
      {file, name "x4"}, { file, name "x4_odd" } \
    }                                            \
  }
Function<SplitParams> split[2][2][2][2] = {
    {FOUR("paged_attention_f32__split_64"), FOUR("paged_attention_f32__split_128")},
    {FOUR("paged_attention_f16__split_64"), FOUR("paged_attention_f16__split_128")}};
#undef FOUR

using Args = fovea_paged_attention_args;

PagedAttentionParams params(Launch &l, const Args *a) {
  return {f32(a->q),
          a->k.data,
          a->v.data,
          i32(a->pos),
          i32(a->seq),
          i32(a->pages),
          out32(a->y),
          a->q.dim[1],
          a->k.dim[1],
          a->q.dim[2],
          a->k.dim[0],
          a->k.dim[2],
          a->pages.dim[0],
          a->pages.dim[1],
          static_cast<float>(a->scale),
          aligned16(a->q.data, a->k.data, a->v.data, a->y.data),
          l.rows(a->q)};
}

void run_plain(Launch &l, const void *args) {
  auto *a = static_cast<const Args *>(args);
  l.launch(plain[a->k.dtype == FOVEA_F16], Grid(a->q.dim[0], a->q.dim[1]), 128, 0, params(l, a),
           OVERLAP);
}

void run_mma(Launch &l, const void *args) {
  auto *a = static_cast<const Args *>(args);
  Grid grid(a->q.dim[1], pieces(a->q.dim[0], 64));
  if (a->q.dim[2] == 64) {
    l.launch(mma_64, grid, 128, TILES_BYTES<64>, params(l, a), OVERLAP);
  } else {
    l.launch(mma_128, grid, 128, TILES_BYTES<128>, params(l, a), OVERLAP);
  }
}

int64_t sharing(const Args *a) { return a->q.dim[1] / a->k.dim[1]; }

// Of query heads, for each row.
int64_t groups(const Args *a) {
  return a->k.dim[1] * (sharing(a) == 1 ? 1 : pieces(sharing(a), 4));
}

int64_t parts(const Args *a) { return int64_t{a->q.dim[0]} * a->q.dim[1] * SPLIT_PARTS; }

void run_split(Launch &l, const void *args) {
  auto *a = static_cast<const Args *>(args);
  auto *sums = reinterpret_cast<float *>(l.scratch);
  SplitParams p{params(l, a), sums, sums + parts(a) * a->q.dim[2], l.counters};
  l.launch(split[a->k.dtype == FOVEA_F16][a->q.dim[2] == 128][sharing(a) > 1][!p.a.aligned],
           Grid(SPLIT_PARTS, groups(a), a->q.dim[0]), 128, 0, p, OVERLAP);
}

int64_t split_scratch(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const Args *>(args);
  return parts(a) * (a->q.dim[2] + 2) * 4;
}

const char *rejects_plain(const DeviceInfo &, const void *args) {
  auto *a = static_cast<const Args *>(args);
  if (const char *why = check(*a)) return why;
  if (a->q.dim[1] > 65535) return "too many heads";
  if (int64_t{a->pages.dim[1]} * a->k.dim[2] > int64_t{1} << 30) return "contexts too long";
  return nullptr;
}

// What both fast kernels want.
const char *rejects_fast(const DeviceInfo &device, const Args *a) {
  if (const char *why = rejects_plain(device, a)) return why;
  if (a->q.dim[2] != 64 && a->q.dim[2] != 128) return "heads must be 64 or 128 wide";
  if (int64_t{a->k.dim[0]} * a->k.dim[1] * a->k.dim[2] > 0x7fffffff) return "too many pages";
  return nullptr;
}

const char *rejects_mma(const DeviceInfo &device, const void *args) {
  auto *a = static_cast<const Args *>(args);
  if (const char *why = rejects_fast(device, a)) return why;
  if (device.shared_bytes < (a->q.dim[2] == 64 ? TILES_BYTES<64> : TILES_BYTES<128>)+1024)
    return "more shared memory is needed";
  return pieces(a->q.dim[0], 64) <= 65535 ? nullptr : "too many rows";
}

const char *rejects_split(const DeviceInfo &device, const void *args) {
  auto *a = static_cast<const Args *>(args);
  if (const char *why = rejects_fast(device, a)) return why;
  if (a->q.dim[0] > FEW) return "for up to 16 rows";
  if (a->q.dim[0] * groups(a) > COUNTERS || groups(a) > 65535) return "too many heads";
  return nullptr;
}

#define F32 "f32,f32,f32,i32,i32,i32->f32"
#define F16 "f32,f16,f16,i32,i32,i32->f32"
const Kernel kernels[] = {
    {"paged_attention", F32, "plain", 80, sizeof(Args), run_plain, rejects_plain, no_scratch},
    {"paged_attention", F32, "split", 80, sizeof(Args), run_split, rejects_split, split_scratch},
    {"paged_attention", F16, "plain", 80, sizeof(Args), run_plain, rejects_plain, no_scratch},
    {"paged_attention", F16, "mma", 80, sizeof(Args), run_mma, rejects_mma, no_scratch},
    {"paged_attention", F16, "split", 80, sizeof(Args), run_split, rejects_split, split_scratch}};

}  // namespace
FOVEA_KERNELS(paged_attention)
}  // namespace fovea
