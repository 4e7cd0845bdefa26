// The kernel table and the C ABI.

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#else
#include <stdlib.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <new>
#include <vector>

#include "pool.h"
#include "run.h"

#if defined(_WIN32)
#define FOVEA_EXPORT extern "C" __declspec(dllexport)
#else
#define FOVEA_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace fovea {

// clang-format off
#define FOVEA_OPS(X) \
  X(resize) X(patchify) X(concat_rows) X(embed) X(layer_norm) X(rms_norm) X(linear) X(rope) X(kv_append) \
  X(attention) X(paged_attention) X(quick_gelu) X(gelu) X(silu_mul) X(add) X(take_rows) \
  X(token_at) X(sample) X(put_token) X(advance)
// clang-format on

#if defined(__x86_64__) || defined(_M_X64)
#define FOVEA_X86 1
#define FOVEA_TIERS(X, op) \
  X(op, scalar, SCALAR) X(op, avx2, AVX2) X(op, avx512, AVX512) X(op, avx512_bf16, AVX512_BF16)
#elif defined(__aarch64__)
#define FOVEA_TIERS(X, op) \
  X(op, scalar, SCALAR)    \
  X(op, neon, NEON) X(op, neon_dotprod, NEON_DOTPROD) X(op, neon_i8mm, NEON_I8MM)
#else
#define FOVEA_TIERS(X, op) X(op, scalar, SCALAR)
#endif

#define DECLARE_IN(op, tier, code) extern const KernelList op##__##tier;
#define DECLARE(op) FOVEA_TIERS(DECLARE_IN, op)
#define ENTRY_IN(op, tier, code) {&op##__##tier, FOVEA_CPU_##code},
#define ENTRIES(op) FOVEA_TIERS(ENTRY_IN, op)

FOVEA_OPS(DECLARE)

#define DECLARE_PEAK(peak, tier, code) extern const Peak peak##__##tier;
FOVEA_TIERS(DECLARE_PEAK, peak)

namespace {

struct Line {
  const Kernel *kernel;
  int32_t tier;
};

const std::vector<Line> &table() {
  static const std::vector<Line> lines = [] {
    struct Entry {
      const KernelList *list;
      int32_t tier;
    };
    const Entry entries[] = {FOVEA_OPS(ENTRIES)};
    std::vector<Line> all;
    for (const Entry &e : entries)
      for (int i = 0; i < e.list->count; i++) all.push_back({&e.list->kernels[i], e.tier});
    return all;
  }();
  return lines;
}

const Line *line(int64_t index) {
  const auto &lines = table();
  return index >= 0 && index < static_cast<int64_t>(lines.size())
             ? &lines[static_cast<size_t>(index)]
             : nullptr;
}

// Null if the library has no such tier.
const Peak *peak_of(int32_t tier) {
  struct Entry {
    const Peak *peak;
    int32_t tier;
  };
  static const Entry entries[] = {FOVEA_TIERS(ENTRY_IN, peak)};
  for (const Entry &e : entries)
    if (e.tier == tier) return e.peak;
  return nullptr;
}

#if defined(__aarch64__)
// The bits of Linux's <asm/hwcap.h>, which older headers lack.
struct Arm {
#if defined(__linux__)
  bool dotprod = getauxval(AT_HWCAP) >> 20 & 1;
  bool i8mm = getauxval(AT_HWCAP2) >> 13 & 1;
  bool bf16 = getauxval(AT_HWCAP2) >> 14 & 1;
#elif defined(__APPLE__)
  static bool has(const char *name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
  }
  bool dotprod = has("hw.optional.arm.FEAT_DotProd");
  bool i8mm = has("hw.optional.arm.FEAT_I8MM");
  bool bf16 = has("hw.optional.arm.FEAT_BF16");
#else
  bool dotprod = false, i8mm = false, bf16 = false;
#endif
};
#endif

}  // namespace
}  // namespace fovea

using namespace fovea;

struct fovea_cpu {
  explicit fovea_cpu(int threads) : pool(threads) {}
  Pool pool;
};

FOVEA_EXPORT int32_t fovea_abi_version(void) { return FOVEA_ABI_VERSION; }

FOVEA_EXPORT int32_t fovea_cpu_best_tier(void) {
#if defined(FOVEA_X86)
  __builtin_cpu_init();
  // Clang 14 knows no "f16c" here; bit 29 of leaf 1's ecx.
  unsigned a, b, c, d;
  bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !f16c)
    return FOVEA_CPU_SCALAR;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512vnni"))
    return FOVEA_CPU_AVX2;
  return __builtin_cpu_supports("avx512bf16") ? FOVEA_CPU_AVX512_BF16 : FOVEA_CPU_AVX512;
#elif defined(__aarch64__)
  static const Arm has;
  if (!has.dotprod) return FOVEA_CPU_NEON;
  return has.i8mm && has.bf16 ? FOVEA_CPU_NEON_I8MM : FOVEA_CPU_NEON_DOTPROD;
#else
  return FOVEA_CPU_SCALAR;
#endif
}

FOVEA_EXPORT int32_t fovea_cpu_kernel_count(void) { return static_cast<int32_t>(table().size()); }

FOVEA_EXPORT int32_t fovea_cpu_kernel_at(int32_t index, fovea_cpu_kernel *out) {
  const Line *l = line(index);
  if (!l || !out) return FOVEA_E_ARGUMENT;
  *out = {l->kernel->op, l->kernel->signature, l->kernel->variant, l->tier, l->kernel->args_bytes};
  return FOVEA_OK;
}

FOVEA_EXPORT const char *fovea_cpu_rejects(int32_t index, const void *args) {
  const Line *l = line(index);
  if (!l || !args) return "no such kernel";
  if (l->tier > fovea_cpu_best_tier()) return "this machine lacks the instructions";
  return l->kernel->rejects(args);
}

FOVEA_EXPORT int64_t fovea_cpu_scratch_bytes(int32_t index, const void *args, int32_t threads) {
  const Line *l = line(index);
  return l && args && threads > 0 ? l->kernel->scratch(args, threads) : 0;
}

FOVEA_EXPORT int32_t fovea_cpu_open(int32_t threads, fovea_cpu **out) {
  if (!out || threads < 1 || threads > 256) return FOVEA_E_ARGUMENT;
  try {
    *out = new fovea_cpu(threads);
  } catch (...) {  // no memory, or no more threads
    return FOVEA_E_MEMORY;
  }
  return FOVEA_OK;
}

FOVEA_EXPORT void fovea_cpu_close(fovea_cpu *cpu) { delete cpu; }

FOVEA_EXPORT void *fovea_cpu_allocate(int64_t bytes) {
  if (bytes < 1) return nullptr;
#if defined(__unix__) || defined(__APPLE__)
  void *memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
#else
  return calloc(1, static_cast<size_t>(bytes));
#endif
}

FOVEA_EXPORT void fovea_cpu_free(void *memory, int64_t bytes) {
  if (!memory) return;
#if defined(__unix__) || defined(__APPLE__)
  munmap(memory, static_cast<size_t>(bytes));
#else
  free(memory);
#endif
}

FOVEA_EXPORT int32_t fovea_cpu_run(fovea_cpu *cpu, const fovea_cpu_step *steps, int32_t count,
                                   void *scratch, int64_t scratch_bytes, int32_t *failed) {
  if (!cpu || count < 0 || (count > 0 && !steps)) return FOVEA_E_ARGUMENT;
  Run run{&cpu->pool, cpu->pool.threads(), static_cast<uint8_t *>(scratch)};
  for (int32_t i = 0; i < count; i++) {
    const Line *l = line(steps[i].kernel);
    int32_t status = FOVEA_E_ARGUMENT;
    if (l && steps[i].args && l->kernel->scratch(steps[i].args, run.threads) <= scratch_bytes)
      status = l->kernel->run(run, steps[i].args);
    if (status != FOVEA_OK) {
      if (failed) *failed = i;
      return status;
    }
  }
  return FOVEA_OK;
}

FOVEA_EXPORT uint64_t fovea_cpu_read(fovea_cpu *cpu, const void *data, int64_t bytes) {
  if (!cpu || !data || bytes < 0) return 0;
  struct Work {
    const uint64_t *words;
    int64_t count;
    std::atomic<uint64_t> sum{0};
  } work{static_cast<const uint64_t *>(data), bytes / 8};
  constexpr int64_t PIECE = 1 << 17;  // words: a megabyte
  cpu->pool.run((work.count + PIECE - 1) / PIECE,
                [](void *context, int64_t index, int) {
                  auto *w = static_cast<Work *>(context);
                  int64_t to = (index + 1) * PIECE < w->count ? (index + 1) * PIECE : w->count;
                  uint64_t sum = 0;
                  for (int64_t i = index * PIECE; i < to; i++) sum += w->words[i];
                  w->sum += sum;
                },
                &work);
  return work.sum;
}

FOVEA_EXPORT int64_t fovea_cpu_peak(fovea_cpu *cpu, int32_t tier, int32_t dtype, int64_t rounds) {
  const Peak *peak = peak_of(tier);
  if (!cpu || !peak || tier > fovea_cpu_best_tier() || rounds < 1 || rounds > 1 << 30) return 0;
  if (dtype != FOVEA_Q8_0 && dtype != FOVEA_BF16) return 0;
  struct Work {
    void (*body)(int64_t rounds);
    int64_t rounds;
  } work{dtype == FOVEA_BF16 ? peak->bf16 : peak->int8, rounds};
  // Small pieces, so that a thread that is late leaves its share to the others.
  constexpr int64_t PIECES = 16;
  int threads = cpu->pool.threads();
  cpu->pool.run(
      PIECES * threads,
      [](void *context, int64_t, int) {
        auto *w = static_cast<Work *>(context);
        w->body(w->rounds);
      },
      &work);
  return PIECES * threads * rounds *
         (dtype == FOVEA_BF16 ? peak->bf16_operations : peak->int8_operations);
}
