// The device: its kernels by name, launches on a pool of OS threads, graphs, and fovea_emulator_* of fovea/cuda.h.

#include <string.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

#include "emulator/memory.h"
#include "emulator/worker.h"
#include "fovea/cuda.h"

namespace fovea::emulator {

namespace {

// ---- kernels ----

constinit const Function *functions = nullptr;

// ---- error lines ----

std::mutex fault_mutex;
std::string first_fault;  // empty: none

bool faulty() {
  std::lock_guard lock(fault_mutex);
  return !first_fault.empty();
}

// ---- launches ----

// OS threads that run blocks. Never a thread of the caller: a virtual machine knows the stacks of its threads and would not
// find them on a fiber.
class Pool {
 public:
  Pool() {
    try {
      grow(cores_);  // here, where lack of memory can be told to the caller
    } catch (...) {
      close();
      throw;
    }
  }

  // So that as many blocks can run at once.
  void grow(size_t threads) {
    while (threads_.size() < threads) {
      workers_.push_back(std::make_unique<Worker>());
      threads_.emplace_back([this, own = workers_.back().get()] { serve(*own); });
    }
  }

  ~Pool() { close(); }

  void run(Job &job) {
    std::unique_lock lock(mutex_);
    job_ = &job;
    turn_++;
    uint64_t blocks = job.how.grid.count();
    wanted_ = job.together ? blocks : std::min<uint64_t>(cores_, blocks);
    busy_ = static_cast<int>(wanted_);
    if (wanted_ == threads_.size())
      wake_.notify_all();
    else
      for (uint64_t i = 0; i < wanted_; i++) wake_.notify_one();
    done_.wait(lock, [this] { return busy_ == 0; });
    job_ = nullptr;
  }

 private:
  void close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    for (auto &t : threads_) t.join();
  }

  void serve(Worker &own) {
    worker = &own;
    uint64_t last = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return closing_ || (wanted_ > 0 && turn_ != last); });
      if (closing_) return;
      last = turn_;
      wanted_--;
      Job &job = *job_;
      lock.unlock();
      own.run(job);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  const size_t cores_ = std::max(1u, std::thread::hardware_concurrency());
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job *job_ = nullptr;
  uint64_t turn_ = 0;    // of the job
  uint64_t wanted_ = 0;  // threads that have not joined in yet
  int busy_ = 0;         // threads that have not finished
  bool closing_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

// Devices come and go in tests, the threads and their stacks and shadows stay.
Pool &common_pool() {
  static Pool pool;
  return pool;
}

// Of barriers of the grid, on all devices one after the other: below, launches before; see Together.
uint32_t grid_time = 1;

int32_t ignored_barrier = -1;

// A launch to be: what a graph is made of.
struct Step {
  const Function *function;
  Launch how;
  std::vector<uint8_t> params;
};

struct Graph {
  std::vector<Step> steps;
};

struct Device {
  uint64_t seed;
  int capability, multiprocessors;
  int64_t launches = 0;
  std::map<void *, std::unique_ptr<Graph>> capturing;  // by stream
  Pool &pool = common_pool();

  Device(uint64_t seed, int capability, int multiprocessors)
      : seed(seed), capability(capability), multiprocessors(multiprocessors) {}

  void run(const Step &step) {
    launches++;
    // As on a device: after an error nothing runs until it was asked for.
    if (faulty()) return;
    Job job;
    job.function = step.function;
    job.how = step.how;
    memset(job.params, 0, sizeof job.params);
    memcpy(job.params, step.params.data(), step.params.size());
    job.seed = seed * 0x9e3779b97f4a7c15 + static_cast<uint64_t>(launches);
    uint64_t count = step.how.grid.count();
    job.first = job.seed % count;
    job.step = (job.seed >> 7) % count | 1;
    while (std::gcd(job.step, count) != 1) job.step++;
    Memory::begin_launch(step.how.overlap);
    if (step.how.cooperative) {
      if (grid_time > TIMES / 2) {
        Memory::forget_touched();
        grid_time = 1;
      }
      Together together(count, grid_time, ignored_barrier);
      job.together = &together;
      pool.run(job);
      grid_time = std::max(together.last, grid_time) + 1;
    } else {
      pool.run(job);
    }
    // The kernel after would wait for this one, which may have ended before those that it should have waited for.
    if (step.how.overlap && !job.waited && !job.failed)
      keep_fault(std::string(step.function->name) +
                 ": launched to overlap with the kernel before, but no thread called pdl_wait");
  }
};

std::mutex mutex;  // held through a launch
std::unique_ptr<Device> device;

// What no device would launch.
const char *refusal(const Function &function, const Launch &how) {
  uint64_t threads = how.block.count();
  if (threads == 0 || threads > MAX_THREADS || how.block.z > 64)
    return "a block of impossible size";
  if (threads > static_cast<uint64_t>(function.threads))
    return "a block of more threads than the kernel was built for";
  if (how.grid.count() == 0 || how.grid.x > 0x7fffffff || how.grid.y > 65535 || how.grid.z > 65535)
    return "a grid of impossible size";
  if (how.shared_bytes > static_cast<size_t>(function.dynamic_shared_bytes))
    return "more dynamic shared memory than the function was set up for";
  if (how.cluster < 1 || how.grid.x % static_cast<unsigned>(how.cluster))
    return "a grid of broken clusters";
  // Kernels are built for one block a multiprocessor at least.
  if (how.cooperative &&
      how.grid.count() >
          std::min<uint64_t>(static_cast<uint64_t>(device->multiprocessors), MOST_TOGETHER))
    return "a cooperative launch of more blocks than the device holds at once";
  return nullptr;
}

}  // namespace

Function::Function(const char *name, size_t params_bytes, int threads,
                   void (*run)(const void *params))
    : name(name), params_bytes(params_bytes), threads(threads), run(run), next(functions) {
  functions = this;
}

const Function *find(const char *name) {
  for (auto *f = functions; f; f = f->next) {
    if (strcmp(f->name, name) == 0) return f;
  }
  return nullptr;
}

const char *launch(const Function &function, const Launch &how, const void *params, void *stream) {
  std::lock_guard lock(mutex);
  if (!device) return "no device is open";
  if (const char *why = refusal(function, how)) return why;
  auto *bytes = static_cast<const uint8_t *>(params);
  try {
    if (how.cooperative) device->pool.grow(how.grid.count());
  } catch (const std::exception &) {
    return "no memory for so many blocks at once";
  }
  if (how.cooperative && !Memory::keep_touched()) return "no memory for what blocks touch";
  Step step{&function, how, {bytes, bytes + function.params_bytes}};
  auto found = device->capturing.find(stream);
  if (found != device->capturing.end())
    found->second->steps.push_back(std::move(step));
  else
    device->run(step);
  return nullptr;
}

// Not under the lock: asked by threads of the pool too, while the device is open.
int capability() { return device ? device->capability : 0; }
int multiprocessors() { return device ? device->multiprocessors : 0; }

// CUDA C++ programming guide, "Technical specifications per compute capability".
int shared_bytes() {
  switch (capability()) {
    case 80:
    case 87:
      return 163 << 10;
    case 86:
    case 89:
    case 120:
    case 121:
      return 99 << 10;
    default:
      return 227 << 10;
  }
}

void keep_fault(const std::string &line) {
  std::lock_guard lock(fault_mutex);
  if (first_fault.empty()) first_fault = line;
}

}  // namespace fovea::emulator

// ---- fovea/cuda.h ----

using namespace fovea::emulator;

namespace {

// A range that touches global memory must be allocated; the rest of the process is the caller's.
bool reachable(const void *memory, int64_t bytes) {
  auto address = reinterpret_cast<uintptr_t>(memory);
  return !Memory::contains(address) || Memory::allows_range(address, static_cast<size_t>(bytes));
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int32_t fovea_emulator_open(uint64_t seed, int32_t capability, int32_t multiprocessors) {
  std::lock_guard lock(mutex);
  if (device || capability < 80 || multiprocessors < 1) return FOVEA_E_ARGUMENT;
  try {
    device = std::make_unique<Device>(seed, capability, multiprocessors);
  } catch (const std::exception &) {
    return FOVEA_E_MEMORY;
  }
  return FOVEA_OK;
}

void fovea_emulator_close(void) {
  std::lock_guard lock(mutex);
  device.reset();
  Memory::free_all();
  std::lock_guard fault_lock(fault_mutex);
  first_fault.clear();
}

void *fovea_emulator_allocate(int64_t bytes) {
  return bytes < 0 ? nullptr : Memory::allocate(static_cast<size_t>(bytes));
}

int32_t fovea_emulator_free(void *memory) {
  return !memory || Memory::free(memory) ? FOVEA_OK : FOVEA_E_ARGUMENT;
}

int32_t fovea_emulator_copy(void *to, const void *from, int64_t bytes) {
  std::lock_guard lock(mutex);  // after what was launched before
  if (bytes < 0 || !reachable(to, bytes) || !reachable(from, bytes)) return FOVEA_E_ARGUMENT;
  if (bytes) memmove(to, from, static_cast<size_t>(bytes));
  Memory::complete_all();
  return FOVEA_OK;
}

int32_t fovea_emulator_fill(void *to, int32_t byte, int64_t bytes) {
  std::lock_guard lock(mutex);
  if (bytes < 0 || !reachable(to, bytes)) return FOVEA_E_ARGUMENT;
  if (bytes) memset(to, byte, static_cast<size_t>(bytes));
  Memory::complete_all();
  return FOVEA_OK;
}

int32_t fovea_emulator_begin_capture(void *stream) {
  std::lock_guard lock(mutex);
  if (!device || device->capturing.contains(stream)) return FOVEA_E_ARGUMENT;
  device->capturing.emplace(stream, std::make_unique<Graph>());
  return FOVEA_OK;
}

int32_t fovea_emulator_end_capture(void *stream, void **graph) {
  std::lock_guard lock(mutex);
  if (!device) return FOVEA_E_ARGUMENT;
  auto found = device->capturing.find(stream);
  if (found == device->capturing.end()) return FOVEA_E_ARGUMENT;
  *graph = found->second.release();
  device->capturing.erase(found);
  return FOVEA_OK;
}

int32_t fovea_emulator_launch_graph(void *graph, void *stream) {
  std::lock_guard lock(mutex);
  if (!device || !graph) return FOVEA_E_ARGUMENT;
  auto &steps = static_cast<Graph *>(graph)->steps;
  auto found = device->capturing.find(stream);
  for (auto &step : steps) {
    if (found != device->capturing.end())
      found->second->steps.push_back(step);
    else
      device->run(step);
  }
  return FOVEA_OK;
}

void fovea_emulator_free_graph(void *graph) { delete static_cast<Graph *>(graph); }

int32_t fovea_emulator_synchronize(char *message, int32_t message_bytes) {
  {
    std::lock_guard lock(mutex);
    Memory::complete_all();
  }
  std::lock_guard lock(fault_mutex);
  if (message && message_bytes > 0) {
    size_t length = std::min(first_fault.size(), static_cast<size_t>(message_bytes) - 1);
    memcpy(message, first_fault.data(), length);
    message[length] = 0;
  }
  bool bad = !first_fault.empty();
  first_fault.clear();
  return bad ? FOVEA_E_ARGUMENT : FOVEA_OK;
}

int64_t fovea_emulator_live(int64_t *bytes) { return Memory::live(bytes); }

void fovea_emulator_ignore_barrier(int32_t number) {
  std::lock_guard lock(mutex);
  ignored_barrier = number;
}

int64_t fovea_emulator_launches(void) {
  std::lock_guard lock(mutex);
  return device ? device->launches : 0;
}

}  // extern "C"
#pragma GCC visibility pop
