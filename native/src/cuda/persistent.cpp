#include "cuda/persistent.h"

#include <string.h>

#include "context.h"

namespace fovea {
namespace {

Module file{"persistent"};
// [cache][rows - 1]
#define ROWS(name)                                                                         \
  {                                                                                        \
    {file, name "__rows1", PERSISTENT_SHARED}, { file, name "__rows2", PERSISTENT_SHARED } \
  }
Function<PersistentParams> kernels[CACHES][2] = {
    ROWS("persistent_f32_64"), ROWS("persistent_f32_128"), ROWS("persistent_f16_64"),
    ROWS("persistent_f16_128")};
#undef ROWS

}  // namespace

const char *Context::rejects_persistent() const {
  int cooperative = 0;
  CUdevice id = 0;
  if (device.capability < 90) return "it needs compute capability 9.0";
  if (!overlap) return "this build has no code for this device but that for 8.0";
  if (driver->CtxGetDevice(&id) ||
      driver->DeviceGetAttribute(&cooperative, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, id) ||
      !cooperative)
    return "this device cannot launch blocks that wait for each other";
  if (device.shared_bytes < PERSISTENT_SHARED + 16 * 1024)
    return "it needs 224 KiB of shared memory";
  for (const auto &of_cache : kernels) {
    for (const FunctionLine &f : of_cache) {
      int blocks = 0;
      if (driver->OccupancyMaxActiveBlocksPerMultiprocessor(
              &blocks, functions[static_cast<size_t>(f.index)], PERSISTENT_THREADS,
              PERSISTENT_SHARED) ||
          blocks < 1)
        return "a multiprocessor of this device does not hold a block of it";
    }
  }
  return nullptr;
}

bool Phases::fits(const Part &part) const {
  return (!part.rows || !rows_ || part.rows == rows_) &&
         (part.cache < 0 || cache_ < 0 || part.cache == cache_);
}

bool Phases::takes(const FunctionLine &function, Grid grid, int threads, int shared_bytes,
                   const void *params, const Options &options) {
  const Part &part = function.part;
  if (part.kind < 0 || shared_bytes > PERSISTENT_SHARED || !fits(part)) return false;
  if (part.rows) rows_ = part.rows;
  if (part.cache >= 0) cache_ = part.cache;
  Phase phase{};
  phase.kind = part.kind;
  phase.threads = threads;
  phase.x = static_cast<int32_t>(grid.x);
  phase.y = static_cast<int32_t>(grid.y);
  phase.z = static_cast<int32_t>(grid.z);
  memcpy(static_cast<void *>(&phase.linear), params, function.params_bytes);
  waiting_.push_back({&function, phase, grid, shared_bytes, options});
  return true;
}

CUresult Phases::flush(const FunctionLine **failed) {
  CUresult result = 0;
  if (waiting_.size() == 1) {  // gains nothing
    Waiting &w = waiting_.front();
    if (launches_)
      result = context_.launch(*w.function, w.grid, w.phase.threads, w.shared_bytes,
                               &w.phase.linear, w.options, stream_);
    if (result) *failed = w.function;
  } else if (!waiting_.empty()) {
    int64_t first = HEADER + count_ * int64_t{sizeof(Phase)};
    count_ += static_cast<int64_t>(waiting_.size());
    if (launches_) {
      int shared_bytes = 0;
      for (const Waiting &w : waiting_)
        if (w.shared_bytes > shared_bytes) shared_bytes = w.shared_bytes;
      const FunctionLine &kernel = kernels[cache_ < 0 ? 0 : cache_][rows_ == 2];
      PersistentParams params{reinterpret_cast<const Phase *>(device_table_ + first),
                              reinterpret_cast<uint32_t *>(const_cast<uint8_t *>(device_table_)),
                              static_cast<int32_t>(waiting_.size())};
      result = context_.launch(kernel, context_.device.multiprocessors, PERSISTENT_THREADS,
                               shared_bytes, &params, {.cooperative = true}, stream_);
      if (result) *failed = &kernel;
    } else if (table_ && bytes() <= bytes_) {
      memset(table_, 0, HEADER);
      for (const Waiting &w : waiting_) {
        memcpy(table_ + first, &w.phase, sizeof w.phase);
        first += static_cast<int64_t>(sizeof w.phase);
      }
    }
  }
  waiting_.clear();
  rows_ = 0;
  cache_ = -1;
  return result;
}

}  // namespace fovea
