#include "cuda/persistent.h"
#include "launch.h"

namespace fovea {
namespace {

// Rows up to which parts of the context are dealt out; above, tiles of rows share what they read.
constexpr int FEW = 16;

Module file{"paged_attention"};
// Of f32, f16, q8_0.
Function<PagedAttentionParams> plain[3] = {{file, "paged_attention_f32__plain"},
                                           {file, "paged_attention_f16__plain"},
                                           {file, "paged_attention_q8_0__plain"}};
// [q8_0][width 128]
Function<PagedAttentionParams> mma[2][2] = {
    {{file, "paged_attention_f16__mma_64", prefill_shared(64, false)},
     {file, "paged_attention_f16__mma_128", prefill_shared(128, false)}},
    {{file, "paged_attention_q8_0__mma_64", prefill_shared(64, true)},
     {file, "paged_attention_q8_0__mma_128", prefill_shared(128, true)}}};

// [type][width 128][queries 4][odd]
#define FOUR(name, ...)                                          \
  {                                                              \
    {{file, name, 0, Part{__VA_ARGS__}}, {file, name "_odd"}}, { \
      {file, name "x4"}, { file, name "x4_odd" }                 \
    }                                                            \
  }
#define TWO(name, half)                                               \
  {                                                                   \
    FOUR(name "_64", PHASE_ATTENTION, 0, cache_part(half, false)),    \
        FOUR(name "_128", PHASE_ATTENTION, 0, cache_part(half, true)) \
  }
Function<SplitParams> split[3][2][2][2] = {
    TWO("paged_attention_f32__split", false),
    TWO("paged_attention_f16__split", true),
    {FOUR("paged_attention_q8_0__split_64"), FOUR("paged_attention_q8_0__split_128")}};
#undef TWO
#undef FOUR

using Args = fovea_paged_attention_args;

bool is_blocks(const Args *a) { return a->k.dtype == FOVEA_Q8_0; }
int type(const Args *a) { return is_blocks(a) ? 2 : a->k.dtype == FOVEA_F16; }

PagedAttentionParams params(Launch &l, const Args *a) {
  return {f32(a->q),
          a->k.data,
          a->v.data,
          static_cast<const uint16_t *>(scales(a->k)),
          static_cast<const uint16_t *>(scales(a->v)),
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
  l.launch(plain[type(a)], Grid(a->q.dim[0], a->q.dim[1]), 128, 0, params(l, a), OVERLAP);
}

// Quants are read 16 at a time: memory of blocks always lies so.
bool blocks_aligned(Launch &l, const Args *a) {
  if (!is_blocks(a) || aligned16(a->k.data, a->v.data)) return true;
  l.fail(FOVEA_E_ARGUMENT, "k and v in blocks must start at multiples of 16 bytes");
  return false;
}

void run_mma(Launch &l, const void *args) {
  auto *a = static_cast<const Args *>(args);
  if (!blocks_aligned(l, a)) return;
  const auto &function = mma[is_blocks(a)][a->q.dim[2] == 128];
  l.launch(function, Grid(a->q.dim[1], pieces(a->q.dim[0], PREFILL_TILE)), 128,
           function.shared_bytes, params(l, a), OVERLAP);
}

int64_t sharing(const Args *a) { return a->q.dim[1] / a->k.dim[1]; }

// Of query heads, for each row.
int64_t groups(const Args *a) {
  return a->k.dim[1] * (sharing(a) == 1 ? 1 : pieces(sharing(a), 4));
}

int64_t parts(const Args *a) { return int64_t{a->q.dim[0]} * a->q.dim[1] * SPLIT_PARTS; }

void run_split(Launch &l, const void *args) {
  auto *a = static_cast<const Args *>(args);
  if (!blocks_aligned(l, a)) return;
  auto *sums = reinterpret_cast<float *>(l.scratch);
  SplitParams p{params(l, a), sums, sums + parts(a) * a->q.dim[2], l.counters};
  l.launch(split[type(a)][a->q.dim[2] == 128][sharing(a) > 1][!p.a.aligned],
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
  if (device.shared_bytes < prefill_shared(a->q.dim[2], is_blocks(a)) + 1024)
    return "more shared memory is needed";
  return pieces(a->q.dim[0], PREFILL_TILE) <= 65535 ? nullptr : "too many rows";
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
#define Q8_0 "f32,q8_0,q8_0,i32,i32,i32->f32"
const Kernel kernels[] = {
    {"paged_attention", F32, "plain", 80, sizeof(Args), run_plain, rejects_plain, no_scratch},
    {"paged_attention", F32, "split", 80, sizeof(Args), run_split, rejects_split, split_scratch},
    {"paged_attention", F16, "plain", 80, sizeof(Args), run_plain, rejects_plain, no_scratch},
    {"paged_attention", F16, "mma", 80, sizeof(Args), run_mma, rejects_mma, no_scratch},
    {"paged_attention", F16, "split", 80, sizeof(Args), run_split, rejects_split, split_scratch},
    {"paged_attention", Q8_0, "plain", 80, sizeof(Args), run_plain, rejects_plain, no_scratch},
    {"paged_attention", Q8_0, "mma", 80, sizeof(Args), run_mma, rejects_mma, no_scratch},
    {"paged_attention", Q8_0, "split", 80, sizeof(Args), run_split, rejects_split, split_scratch}};

}  // namespace
FOVEA_KERNELS(paged_attention)
}  // namespace fovea
