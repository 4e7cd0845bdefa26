// All layers of a decode step in one launch. For one or two rows, on 9.0 and later.
//
// Idea: a launch costs several microseconds before its loads are under way, and a layer is five of them. Here a block on each
// multiprocessor stays and goes through a table of phases, each what a kernel's launch would have been, with a barrier of the
// grid between: two round trips to the second-level cache. A phase is the same code as the kernel it stands for and gives the
// same bits. While a block waits, the first weights of its next phase are on their way (weights never change, see
// linear_dp4a.cuh), and the next entry of the table is copied to shared memory while a phase is at work.
// Attention: a part of the keys for 128 threads, so a block takes four at a time.
//
// Grid: as many blocks as multiprocessors, launched cooperatively, so that all are there at once. Block: 512 threads.
// Shared memory: what the phases want, and 10 KiB.
// Traffic: that of the kernels. Expected, not measured: docs/perf/cuda.md.

#include "cuda/linear_dp4a.cuh"
#include "cuda/paged_attention_split.cuh"
#include "cuda/persistent.h"
#include "cuda/rms_norm.cuh"

namespace {

// T, W: type and head width of the cache.
template <class T, int W>
FOVEA_DEVICE void attention(const Phase &phase, SplitShared<W, 1> *shared) {
  Quarter team;
  int first = static_cast<int>(threadIdx.x / 128 * gridDim.x + blockIdx.x);
  for (int i = first; i < phase.x * phase.y * phase.z; i += static_cast<int>(gridDim.x) * 4) {
    if (i != first) team.sync();  // all have read what the others left
    split<T, W, 1, true>(phase.attention, shared[threadIdx.x / 128], team,
                         {i % phase.x, i / phase.x % phase.y, phase.y, i / phase.x / phase.y});
  }
}

template <bool FOUR>
FOVEA_DEVICE void norms(const Phase &phase, float *partial) {
  int live = live_rows(phase.rms_norm.rows);
  for (int row = static_cast<int>(blockIdx.x); row < live; row += static_cast<int>(gridDim.x)) {
    if (row != static_cast<int>(blockIdx.x)) __syncthreads();
    rms_norm<FOUR>(phase.rms_norm, partial, row, static_cast<unsigned>(phase.threads));
  }
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
constexpr bool USED = true;
#else
constexpr bool USED = false;  // older devices are not asked: no code for them
#endif

// M: rows of x.
template <int M, class T, int W>
FOVEA_DEVICE void phases(const PersistentParams &p, uint8_t *shared, Phase *entries,
                         SplitShared<W, 1> *quarters, float *partial, uint32_t *before) {
  constexpr int COUNT = M > 1 ? 3 : 4;  // leaves registers for what goes on across phases
  constexpr int PIECES = sizeof(Phase) / 16;
  auto fetch = [&](int i) {
    for (int j = static_cast<int>(threadIdx.x); j < PIECES; j += PERSISTENT_THREADS)
      cp_async16(reinterpret_cast<uint8_t *>(&entries[i % 2]) + j * 16,
                 reinterpret_cast<const uint8_t *>(p.phases + i) + j * 16);
    cp_async_commit();
  };
  fetch(0);
  cp_async_wait<0>();
  __syncthreads();
  for (int i = 0; i < p.count; i++) {
    if (i + 1 < p.count) fetch(i + 1);
    const Phase &phase = entries[i % 2];
    auto turn = [&] {
      if (i > 0) grid_wait(p.counter, threadIdx.x == 0 ? *before : 0);
    };
    switch (phase.kind) {
      case PHASE_LINEAR_Q4_0:
        rows<LinearWeights::Q4_0, M, COUNT>(phase.linear, shared, turn);
        break;
      case PHASE_LINEAR_Q8_0:
        rows<LinearWeights::Q8_0, M, COUNT>(phase.linear, shared, turn);
        break;
      case PHASE_ATTENTION:
        turn();
        attention<T, W>(phase, quarters);
        break;
      default:
        turn();
        norms<true>(phase, partial);
        break;
    }
    cp_async_wait<0>();
    if (i + 1 == p.count) return;
    uint32_t found = grid_arrive(p.counter);
    if (threadIdx.x == 0) *before = found;
  }
}

}  // namespace

#define KERNEL(name, M, T, W)                                                           \
  FOVEA_KERNEL(name, PersistentParams, PERSISTENT_THREADS) {                            \
    using Shared = SplitShared<W, 1>;                                                   \
    FOVEA_SHARED_BYTES(shared);                                                         \
    FOVEA_SHARED(Phase, entries, 2);                                                    \
    FOVEA_SHARED(Shared, quarters, 4);                                                  \
    FOVEA_SHARED(float, partial, 32);                                                   \
    FOVEA_SHARED(uint32_t, before, 1);                                                  \
    if constexpr (USED) phases<M, T, W>(p, shared, entries, quarters, partial, before); \
  }

KERNEL(persistent_f32_64__rows1, 1, float, 64)
KERNEL(persistent_f32_64__rows2, 2, float, 64)
KERNEL(persistent_f32_128__rows1, 1, float, 128)
KERNEL(persistent_f32_128__rows2, 2, float, 128)
KERNEL(persistent_f16_64__rows1, 1, uint16_t, 64)
KERNEL(persistent_f16_64__rows2, 2, uint16_t, 64)
KERNEL(persistent_f16_128__rows1, 1, uint16_t, 128)
KERNEL(persistent_f16_128__rows2, 2, uint16_t, 128)
