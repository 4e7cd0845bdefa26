#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "run.h"

namespace fovea {

class Pool {
 public:
  // The caller of run() is one of the threads.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  int threads() const { return threads_; }

  // Runs body(context, i, thread) for every i in [0, count), each once; returns when all are done.
  void run(int64_t count, Body body, void *context);

 private:
  void take(int thread);
  void work(int thread);

  const int threads_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<int> active_{0};
  std::atomic<bool> open_{false};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int64_t> next_{0};
  // Written while open_ is false and nobody is active.
  Body body_ = nullptr;
  void *context_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace fovea
