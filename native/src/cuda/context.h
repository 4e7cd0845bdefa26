// What fovea_cuda_open makes, and launches that wait to become one.
#pragma once

#include <vector>

#include "cuda/persistent.h"
#include "driver.h"
#include "launch.h"

namespace fovea {

struct Message;
class Phases;

struct Context {
  const Driver *driver = nullptr;
  DeviceInfo device{};
  int32_t *error = nullptr;
  std::vector<CUmodule> loaded;
  std::vector<CUfunction> functions;  // by FunctionLine::index
  // Whether kernels may start before the one ahead of them has ended: only code built for 9.0 knows how to wait.
  bool overlap = false;  // can
  bool overlap_allowed = true;

  ~Context() {
    for (CUmodule module : loaded) driver->ModuleUnload(module);
  }

  const char *text(CUresult result) const {
    const char *name = nullptr;
    return driver->GetErrorName(result, &name) == 0 && name ? name : "unknown error";
  }
  const char *explanation(CUresult result) const {
    const char *words = nullptr;
    return driver->GetErrorString(result, &words) == 0 && words ? words : "";
  }

  int32_t open(const fovea_cuda_module *images, int32_t count, const Message &message);
  int32_t resolve(const Module &module, CUmodule from, const Message &message);
  // phases: null, or what gathers the step's launches.
  int32_t step(const fovea_cuda_step &step, int32_t index, uint8_t *scratch, int64_t scratch_bytes,
               void *stream, Phases *phases, const Message &message) const;
  CUresult launch(const FunctionLine &function, Grid grid, int threads, int shared_bytes,
                  void *params, const Options &options, void *stream) const;

  // Why no persistent kernel runs on this device; null: they do.
  const char *rejects_persistent() const;
};

// The launches of a run of steps: those that one persistent kernel can do, one after the other, wait until another comes, and
// then become one launch; its table was made and brought to the device before. Two walks through the same steps, one that makes
// the table and one that launches, gather the same.
class Phases {
 public:
  // Launches. table: on the device.
  Phases(const Context &context, const uint8_t *table, void *stream)
      : context_(context), launches_(true), device_table_(table), stream_(stream) {}
  // Makes the table, in host memory; null: looks how large it is. Launches nothing.
  Phases(const Context &context, uint8_t *table, int64_t bytes)
      : context_(context), launches_(false), table_(table), bytes_(bytes) {}

  bool launches() const { return launches_; }
  // Whether the launch has become a phase. It may have to be after flush().
  bool takes(const FunctionLine &function, Grid grid, int threads, int shared_bytes,
             const void *params, const Options &options);
  // Launches what waits. failed: the function whose launch has failed, if one has.
  CUresult flush(const FunctionLine **failed);
  // Of the table so far; 0 if it has no phases.
  int64_t bytes() const { return count_ ? HEADER + count_ * int64_t{sizeof(Phase)} : 0; }

 private:
  // Before the phases: the counter of the barriers.
  static constexpr int64_t HEADER = 256;

  struct Waiting {
    const FunctionLine *function;
    Phase phase;
    Grid grid;
    int shared_bytes;
    Options options;
  };

  bool fits(const Part &part) const;

  const Context &context_;
  const bool launches_;
  const uint8_t *device_table_ = nullptr;
  void *stream_ = nullptr;
  uint8_t *table_ = nullptr;
  int64_t bytes_ = 0;
  int64_t count_ = 0;  // phases in the table
  std::vector<Waiting> waiting_;
  int rows_ = 0, cache_ = -1;  // what those that wait want
};

}  // namespace fovea
