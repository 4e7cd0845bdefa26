// The thread pool: fork and join with work handed out in small pieces, so that a thread whose core is taken away delays
// nobody by more than its piece. Waiting threads spin for a moment, since the next op comes within microseconds, then sleep.

#include "pool.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fovea {

namespace {

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 50 microseconds on processors of the 2020s.
constexpr int SPINS = 4000;

}  // namespace

Pool::Pool(int threads) : threads_(threads) {
  for (int i = 1; i < threads; i++) {
    workers_.emplace_back([this, i] { work(i); });
  }
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    epoch_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto &w : workers_) w.join();
}

void Pool::run(int64_t count, Body body, void *context) {
  if (count <= 0) return;
  if (count == 1 || threads_ == 1) {
    for (int64_t i = 0; i < count; i++) body(context, i, 0);
    return;
  }
  body_ = body;
  context_ = context;
  count_ = count;
  next_.store(0);
  open_.store(true);
  epoch_.fetch_add(1);
  if (sleeping_.load() > 0) {
    std::lock_guard lock(
        mutex_);  // a thread about to sleep has either seen the new epoch or is waiting by now
    wake_.notify_all();
  }
  take(0);
  open_.store(false);
  // Whoever came in before the door closed is still at a piece.
  for (int spins = 0; active_.load() != 0; spins++) {
    if (spins < SPINS) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void Pool::take(int thread) {
  for (int64_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1))
    body_(context_, i, thread);
}

void Pool::work(int thread) {
  uint64_t seen = 0;
  while (true) {
    for (int spins = 0; epoch_.load() == seen && spins < SPINS; spins++) pause();
    if (epoch_.load() == seen) {
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return epoch_.load() != seen; });
      sleeping_.fetch_sub(1);
    }
    seen = epoch_.load();
    if (stop_) return;
    active_.fetch_add(1);
    if (open_.load()) take(thread);
    active_.fetch_sub(1);
  }
}

void parallel(Pool *pool, int64_t count, Body body, void *context) {
  pool->run(count, body, context);
}

}  // namespace fovea
