// What every launcher sees: the device, its turn in the run, the functions of its modules, and how it enters the kernel
// table. An op's file has
//
//   Module file{"add"};                                    // kernels/cuda/add.cu
//   Function<AddParams> four{file, "add__four"};           // a FOVEA_KERNEL(add__four, AddParams, ..) in it
//   void run(Launch &l, const void *args) {...; l.launch(four, blocks, 256, 0, params); }
//   const Kernel kernels[] = {{"add", "f32,f32->f32", "four", 80, sizeof(fovea_add_args), run, rejects, no_scratch}};
//   FOVEA_KERNELS(add)
//
// and a line in FOVEA_OPS of table.cpp; its .cu is listed in CMakeLists.txt.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "checks.h"
#include "cuda/report.h"
#include "cuda/tensor_map.h"
#include "fovea/cuda.h"
#include "tensors.h"

namespace fovea {

struct DeviceInfo {
  int capability;  // 90 for 9.0
  int multiprocessors;
  int shared_bytes;      // largest block-wide shared memory a kernel can opt in to
  int64_t cache_bytes;   // of the second level
  fovea_cuda_gemm gemm;  // of another library; null if none was offered
};

// A file of kernels. Modules and functions are objects with static lifetime; they enlist themselves.
struct FunctionLine;
struct Module {
  explicit Module(const char *name);
  const char *const name;
  FunctionLine *functions = nullptr;
  const Module *next;
};

// As what phase the persistent kernel can do what a function does, and which of its instances can.
struct Part {
  int kind = -1;   // a PhaseKind; -1: as none
  int rows = 0;    // of x that it is made for; 0: any
  int cache = -1;  // which of CACHES; -1: any
};
constexpr int CACHES = 4;  // f32 and binary16, of heads 64 and 128 wide
constexpr int cache_part(bool half, bool wide) { return half * 2 + wide; }

struct FunctionLine {
  FunctionLine(Module &module, const char *name, size_t params_bytes, int shared_bytes, Part part);
  const char *const name;
  const size_t params_bytes;
  const int shared_bytes;
  const int index;  // among all functions
  const Part part;
  const FunctionLine *const next;
};

// A kernel that takes one Params by value. shared_bytes: the most dynamic shared memory it is launched with, which must be
// said where it is more than 48 KiB.
template <class Params>
struct Function : FunctionLine {
  Function(Module &module, const char *name, int shared_bytes = 0, Part part = {})
      : FunctionLine(module, name, sizeof(Params), shared_bytes, part) {}
};

// In blocks. Numbers past what hardware takes (2^31-1, 65535, 65535) fail the launch.
struct Grid {
  Grid(int64_t x, int64_t y = 1, int64_t z = 1) : x(x), y(y), z(z) {}
  int64_t x, y, z;
};

struct Options {
  // Starts while the kernel before it still runs; the kernel must call pdl_wait() before it reads or writes anything that
  // others touch. Without effect before 9.0.
  bool overlap = false;
  int cluster = 1;           // blocks along x that share a cluster, from 9.0
  bool cooperative = false;  // all blocks at once, or none
};

// How many counters stand before the scratch memory: for blocks to see who of them is the last to arrive. All steps share them.
constexpr int64_t COUNTERS = 16384;

// One op's turn.
class Launch {
 public:
  const DeviceInfo &device;
  uint8_t *const scratch;  // as many bytes as the op's line asked for, with anything in them
  // COUNTERS zeros, if the op's line asked for scratch memory; kernels leave them zero.
  int32_t *const counters;

  // Word of bad data in this step.
  Report report(int32_t status = FOVEA_E_RANGE) const { return {error_, step_ << 8 | status}; }
  // The rows of t that count.
  Rows rows(const fovea_tensor &t) const { return {t.live, t.dim[0], report()}; }

  template <class Params>
  void launch(const Function<Params> &function, Grid grid, int threads, int shared_bytes,
              const Params &params, Options options = {}) {
    Params copy = params;  // the driver takes a pointer to non-const
    enqueue(function, grid, threads, shared_bytes, &copy, options);
  }

  // y = x * w^T by device.gemm: w's elements and x's are of w's type, x's rows x_step elements apart.
  void gemm(const fovea_tensor &w, int32_t rows, const void *x, int64_t x_step, float *y) {
    if (settle() && device.gemm(w.dtype, rows, w.dim[0], w.dim[1], x, static_cast<int32_t>(x_step),
                                w.data, y, stream_))
      fail(FOVEA_E_UNSUPPORTED, "cuBLAS refuses");
  }

  // What tma_load_2d takes for boxes of 64 elements by `box_rows` (at most 256) with 128-byte swizzle, of a matrix of 16-bit
  // elements whose first row and whose pitch, in elements, are multiples of 16 bytes. Part of a kernel's params. Filled in place:
  // GCC does not align what a function returns as the driver asks.
  void matrix(TensorMap &map, const void *data, int32_t dtype, int64_t columns, int64_t rows,
              int64_t pitch, int box_rows);

  // Refuses the step: arguments that only show their fault with their addresses.
  void fail(int32_t status, const char *why) {
    if (status_ != FOVEA_OK) return;
    status_ = status;
    why_ = why;
  }

 private:
  friend struct Context;
  Launch(const struct Context &context, const DeviceInfo &device, uint8_t *memory, void *stream,
         int32_t *error, int32_t step, class Phases *phases)
      : device(device),
        scratch(memory ? memory + COUNTERS * sizeof(int32_t) : nullptr),
        counters(reinterpret_cast<int32_t *>(memory)),
        context_(context),
        stream_(stream),
        error_(error),
        step_(step),
        phases_(phases) {}
  void enqueue(const FunctionLine &function, Grid grid, int threads, int shared_bytes, void *params,
               const Options &options);
  // Before something that is no kernel goes onto the stream: launches what waits to be. false: nothing may go there now.
  bool settle();

  const struct Context &context_;
  void *const stream_;
  int32_t *const error_;
  const int32_t step_;
  class Phases *const phases_;  // null: every kernel is launched by itself
  int32_t status_ = FOVEA_OK;
  const char *why_ = nullptr;             // of the failure
  const FunctionLine *failed_ = nullptr;  // the function whose launch failed
};

// A line of the kernel table.
struct Kernel {
  const char *op;
  const char *signature;
  const char *variant;
  int32_t capability;
  int32_t args_bytes;
  void (*run)(Launch &launch, const void *args);
  const char *(*rejects)(const DeviceInfo &device, const void *args);
  int64_t (*scratch)(const DeviceInfo &device, const void *args);
};

struct KernelList {
  const Kernel *kernels;
  int count;
};

// Puts an array of Kernel named `kernels` into the table as this list.
#define FOVEA_KERNELS(list)     \
  extern const KernelList list; \
  const KernelList list = {kernels, static_cast<int>(sizeof kernels / sizeof *kernels)};

namespace {

[[maybe_unused]] inline int64_t no_scratch(const DeviceInfo &, const void *) { return 0; }

template <class Args>
const char *rejects(const DeviceInfo &, const void *args) {
  return check(*static_cast<const Args *>(args));
}

[[maybe_unused]] inline int64_t pieces(int64_t n, int64_t size) { return (n + size - 1) / size; }

// Blocks along x are rows; along y pieces of a row, whose kernel steps by the grid where there are more than a grid takes.
[[maybe_unused]] inline Grid rows_by_pieces(int64_t rows, int64_t width, int64_t piece) {
  int64_t n = pieces(width, piece);
  return {rows, n < 65535 ? n : 65535};
}

// Whether a row of t, an axis-0 slice, has few enough elements to be counted in 31 bits, as rows_by_pieces kernels do.
[[maybe_unused]] inline bool countable(const fovea_tensor &t) {
  return row_elements(t) <= INT32_MAX;
}

// Threads for a row taken in pieces of four: whole warps, at most 1024. The row's width alone decides, so that a row's bits do
// not depend on the rows beside it.
[[maybe_unused]] inline int row_threads(int64_t width) {
  int64_t n = pieces(width, 4 * 32) * 32;
  return static_cast<int>(n < 1024 ? n : 1024);
}

// Where a quantized tensor's scales lie: behind all its quants (see fovea_cuda_split_blocks).
[[maybe_unused]] inline const void *scales(const fovea_tensor &t) {
  int64_t quants = t.dtype == FOVEA_Q8_0 ? elements(t) : elements(t) / 2;
  return static_cast<const uint8_t *>(t.data) + quants;
}

// For kernels that begin with take_turn().
constexpr Options OVERLAP{.overlap = true};

// Whether every address is a multiple of 16, so that pieces of 16 bytes can be read and written there.
template <class... T>
bool aligned16(const T *...addresses) {
  return ((reinterpret_cast<uintptr_t>(addresses) | ...) & 15) == 0;
}

}  // namespace
}  // namespace fovea
