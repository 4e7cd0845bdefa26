// What every kernel sees: the run it is part of, its tensors, and how it enters the kernel table. Each op's file is
// compiled once per tier with FOVEA_TIER set, so everything here has internal linkage: code built for one tier must never
// be linked into another.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "checks.h"
#include "common/blocks.h"
#include "fovea/fovea.h"
#include "tensors.h"

namespace fovea {

class Pool;

// One op's turn: threads to share the work with and memory to work in.
struct Run {
  Pool *pool;
  int threads;
  uint8_t *scratch;
};

// Runs body(context, index, thread) for every index in [0, count) on the pool's threads, in any order, each once.
using Body = void (*)(void *context, int64_t index, int thread);
void parallel(Pool *pool, int64_t count, Body body, void *context);

// A line of the kernel table.
struct Kernel {
  const char *op;
  const char *signature;
  const char *variant;
  int32_t args_bytes;
  int32_t (*run)(Run &run, const void *args);
  const char *(*rejects)(const void *args);
  int64_t (*scratch)(const void *args, int threads);
};

struct KernelList {
  const Kernel *kernels;
  int count;
};

// What a tier can do on registers alone: loops of so many rounds, and the operations of a round.
struct Peak {
  void (*int8)(int64_t rounds);
  int64_t int8_operations;
  void (*bf16)(int64_t rounds);
  int64_t bf16_operations;
};

}  // namespace fovea

#define FOVEA_JOIN2(a, b) a##__##b
#define FOVEA_JOIN(a, b) FOVEA_JOIN2(a, b)
#define FOVEA_TEXT2(a) #a
#define FOVEA_TEXT(a) FOVEA_TEXT2(a)
// linear -> linear__avx2
#define FOVEA_NAME(op) FOVEA_JOIN(op, FOVEA_TIER)
#define FOVEA_VARIANT FOVEA_TEXT(FOVEA_TIER)

// Puts an array of Kernel named `kernels` into the table as this op's list for this tier.
#define FOVEA_KERNELS(op)                 \
  extern const KernelList FOVEA_NAME(op); \
  const KernelList FOVEA_NAME(op) = {kernels, static_cast<int>(sizeof kernels / sizeof *kernels)};

namespace fovea {
namespace {

// Rows of the leading axis that count in this run; -1 if the number makes no sense.
[[maybe_unused]] inline int64_t live_rows(const fovea_tensor &t) {
  if (!t.live) return t.dim[0];
  int32_t n = *t.live;
  return n < 0 || n > t.dim[0] ? -1 : n;
}

template <class F>
void each(Run &run, int64_t count, F &&f) {
  parallel(
      run.pool, count, [](void *c, int64_t i, int thread) { (*static_cast<F *>(c))(i, thread); },
      &f);
}

// Splits [0, n) into pieces of `grain` and runs f(from, to, thread) on each.
template <class F>
void ranges(Run &run, int64_t n, int64_t grain, F &&f) {
  each(run, (n + grain - 1) / grain, [&](int64_t i, int thread) {
    int64_t from = i * grain;
    f(from, from + grain < n ? from + grain : n, thread);
  });
}

template <class Args>
const char *rejects(const void *args) {
  return check(*static_cast<const Args *>(args));
}

[[maybe_unused]] inline int64_t no_scratch(const void *, int) { return 0; }

[[maybe_unused]] inline int64_t align64(int64_t n) { return (n + 63) / 64 * 64; }

}  // namespace
}  // namespace fovea
