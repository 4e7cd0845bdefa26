// The emulated device as the host sees it: kernels by name, launches. fovea_emulator_* of fovea/cuda.h stand beside it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace fovea::emulator {

struct Extent {
  unsigned x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

// A kernel; FOVEA_KERNEL makes one, static, which enlists itself.
struct Function {
  Function(const char *name, size_t params_bytes, int threads, void (*run)(const void *params));
  const char *const name;
  const size_t params_bytes;
  const int threads;  // in the largest block
  void (*const run)(const void *params);
  const Function *const next;
  mutable int dynamic_shared_bytes = 48 << 10;  // as much as a launch may ask for
};

const Function *find(const char *name);  // nullptr: there is none

struct Launch {
  Extent grid, block;
  size_t shared_bytes = 0;   // dynamic
  bool overlap = false;      // with the kernel before, until pdl_wait()
  int cluster = 1;           // blocks along x
  bool cooperative = false;  // all blocks at once, so that they may wait for each other
};

// Runs the kernel, or records it if the stream is capturing. nullptr, or why no device would launch it; what goes wrong inside
// the kernel is said by fovea_emulator_synchronize.
const char *launch(const Function &function, const Launch &how, const void *params, void *stream);

// cuTensorMapEncodeTiled for matrices (rank 2) of 16-bit or 32-bit elements, with its numbers and arguments; map: a TensorMap
// of cuda/tensor_map.h. 0, or 1: CUDA_ERROR_INVALID_VALUE.
int encode_tensor_map(void *map, int type, uint32_t rank, void *address, const uint64_t *extents,
                      const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides,
                      int interleave, int swizzle, int promotion, int fill);

// Of the open device.
int capability();       // 90 for 9.0; 0: none is open
int multiprocessors();  // as told
int shared_bytes();     // most shared memory of a block, by opt-in

}  // namespace fovea::emulator
