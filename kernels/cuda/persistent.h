// A launch that computes many steps: a table of phases in device memory, which every block goes through side by side.
#pragma once

#include "cuda/linear.h"
#include "cuda/paged_attention.h"
#include "cuda/rms_norm.h"

enum PhaseKind { PHASE_LINEAR_Q4_0, PHASE_LINEAR_Q8_0, PHASE_ATTENTION, PHASE_RMS_NORM };

// A kernel's launch as an entry of the table.
struct alignas(16) Phase {
  int32_t kind;
  int32_t threads;  // of a block of that launch
  int32_t x, y, z;  // its grid
  int32_t pad[3];
  union {
    LinearParams linear;
    SplitParams attention;
    RmsNormParams rms_norm;
  };
};
static_assert(sizeof(Phase) % 16 == 0);

struct PersistentParams {
  const Phase *phases;
  uint32_t *counter;  // of barriers of the grid
  int32_t count;
};

constexpr int PERSISTENT_THREADS = 512;
// The most dynamic shared memory of a phase; beside it lie two entries of the table and what the attention's warps exchange.
constexpr int PERSISTENT_SHARED = 208 * 1024;
