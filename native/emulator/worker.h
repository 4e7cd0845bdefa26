// An OS thread that runs blocks, one at a time: the block's threads as fibers, its shared memory, its barriers.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "emulator/device.h"
#include "emulator/fiber.h"
#include "emulator/ptx.h"
#include "emulator/shadow.h"
#include "emulator/together.h"

namespace fovea::emulator {

constexpr int MAX_THREADS = 1024;
constexpr int MAX_WARPS = MAX_THREADS / 32;

struct Worker;
struct Warp;

// Something that lanes of a warp do together, once all that take part have come.
struct Collective {
  const char *name;
  void (*run)(Worker &worker, Warp &warp, uint32_t lanes);
  bool whole = false;  // takes all 32 lanes
};

// What a lane brings to a collective, and finds there afterwards.
struct Request {
  const Collective *what = nullptr;
  uint32_t mask = 0;  // who takes part
  uint32_t word = 0;  // a value and where it goes, or a mode
  int32_t lane = 0;
  int32_t width = 0;
  const void *address = nullptr;
  uint64_t b = 0, b2 = 0;
  Words4 a{};
  Floats4 d{};
  Ints4 e{};
};

// A cp.async.
struct Copy {
  const uint8_t *from;  // nullptr: zeros
  uint32_t to;          // offset in shared memory
  uint16_t bytes;
  uint32_t group;
};

// A rectangle of rows of bytes that a bulk copy moves between global and shared memory.
struct Box {
  uint8_t *global;            // where the first row would begin, were it within
  int64_t stride;             // bytes from one row to the next
  int rows, row_bytes;        // in shared memory, one row after the other
  int first_row, last_row;    // rows that lie within the matrix: [first, last)
  int first_byte, last_byte;  // and bytes of them
  int swizzle;                // 0, or bytes over which 16-byte pieces change places: 32, 64, 128
  uint32_t shared;            // offset
  int bytes() const { return rows * row_bytes; }
};

// A bulk load that has not landed.
struct Flight {
  Box box;
  uint32_t barrier;  // offset of the mbarrier
  uint16_t issuer;
};

// A bulk store that has not been waited for.
struct Store {
  Box box;
  uint32_t group;
  uint32_t issued;  // a stamp
};

// An mbarrier.
struct MemoryBarrier {
  uint32_t offset;
  uint16_t maker;
  bool made = false;  // copies may use it
  int count, pending;
  int64_t bytes = 0;  // announced and not landed
  uint32_t phase = 0;
  std::vector<uint32_t> arrived,
      released;  // what those knew who arrived in this phase, and in the last
};

// Barriers with numbers.
struct PartBarrier {
  int threads = 0, arrived = 0;
  uint32_t turn = 0;
  std::vector<uint32_t> coming, released;
};

// The sums of wgmma instructions that have not been waited for. The registers that they are to end up in hold no numbers
// meanwhile.
struct Sums {
  float *registers[32];
  int columns;
  std::vector<float> values;  // by lane
  int pending = 0;
};

struct Product {
  Half type;
  uint64_t a, b;
  bool add;
  size_t sums;  // index
  uint32_t group;
  uint32_t issued;  // a stamp
};

enum class State : uint8_t { RUNNABLE, COLLECTIVE, BARRIER, WAITING, EXITED };

struct Thread {
  void *fiber = nullptr;
  State state = State::RUNNABLE;
  uint16_t number = 0;  // in the block
  uint3 index{};
  const void *call = nullptr;  // where in the kernel it waits
  Request request;
  bool waited = false;      // for the kernels before this one
  uint32_t grid_steps = 0;  // arrivals and waits at barriers of the grid
  uint32_t groups = 0;      // of cp.async committed so far
  std::vector<Copy> copies;
  uint32_t store_groups = 0;  // of bulk stores committed so far
  std::vector<Store> stores;
  uint32_t fenced = 0;     // its stamps below are visible to asynchronous copies and matrix units
  uint32_t waits_for = 0;  // the mbarrier (its offset) or the part barrier (its number)
  // By thread of the block (and LANDED and so on): its stamps below come before what this one does now, by other ways than barriers of the whole
  // block or warp. Empty: no such way was gone since the last barrier of the block.
  std::vector<uint32_t> known;
};

struct Warp {
  uint32_t lanes = 0;  // that exist
  uint32_t exited = 0;
  uint32_t runnable = 0;
  uint32_t waiting = 0;  // in a collective
  uint32_t synced = 0;   // stamp of the last barrier of the whole warp
  // wgmma: see matrix.cpp.
  std::vector<Sums> sums;
  std::vector<Product> products;
  uint32_t product_groups = 0, product_count = 0;
  int registers = 0;           // a thread; 0: as many as at the start
  bool product_fence = false;  // since the last wait
};

struct Array {
  const SharedArray *declared;  // nullptr: the dynamic shared memory
  uint32_t offset, bytes;
};

struct Job {  // A launch under way.
  const Function *function;
  Launch how;
  alignas(128) uint8_t params[4096];
  uint64_t seed;
  uint64_t first, step;           // block i in order of start is (first + i * step) mod count
  std::atomic<uint64_t> next{0};  // i of the next to start
  std::atomic<bool> failed{false};
  std::atomic<bool> waited{false};  // some thread has waited for the kernels before
  Together *together = nullptr;     // of a cooperative launch
};

// What a thread begins with: its share of the multiprocessor's, as __launch_bounds__ has the compiler take it.
constexpr int first_registers(int threads) { return std::min(256, 65536 / threads / 8 * 8); }

struct Worker {
  Worker();
  ~Worker();
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;

  // Runs blocks of the job until none is left.
  void run(Job &job);

  // ---- what every access looks at ----
  uint8_t *region;           // shared memory, then the stacks and the params of the kernel
  uint32_t now = 0;          // stamp of the running thread
  uint32_t started = 0;      // stamps below are of blocks before
  uint32_t synced = 0;       // stamps below come before all that follows
  uint32_t warp_synced = 0;  // stamps below, of the running thread's warp, too
  bool early = false;        // kernels before this one may still run: see pdl_wait
  const uint8_t *own_stack = nullptr;  // the running thread's
  Shadow shadow;

  Thread *running = nullptr;
  Warp *warp = nullptr;  // the running thread's

  // ---- the block ----
  Job *job = nullptr;
  uint3 block{};
  Member member;
  uint32_t time = 1;
  int alive = 0;  // threads that have not exited
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  uint32_t runnable_warps = 0;
  std::vector<Array> arrays;
  uint32_t arrays_end = 0;
  uint32_t dynamic_offset = 0;
  bool failed = false;
  std::vector<MemoryBarrier> memory_barriers;
  PartBarrier part_barriers[16];
  std::vector<Flight> flights;

  // ---- for what threads do ----

  Thread &thread(const Warp &w, int lane) {
    return threads[static_cast<size_t>(&w - warps.data()) * 32 + static_cast<size_t>(lane)];
  }

  // What the running thread brings to its next collective: written in place, for speed.
  Request &request() { return running->request; }
  // The running thread takes part in a collective, with its request; call: where in the kernel. Returns the request, filled in.
  Request &join(const Collective &what, uint32_t mask, const void *call);
  Request &join_whole(const Collective &what, const void *call) {
    return join(what, 0xffffffff, call);
  }
  void block_barrier(const char *file, int line, const void *call);
  [[noreturn]] void exit_thread();

  // The running thread stops until someone wakes those who wait for the same; it then looks for itself.
  void wait(uint32_t waits_for, const void *call);
  void wake(uint32_t waits_for);
  // What the running thread did and knows is added to what a barrier hands on; the running thread gets it.
  void release(std::vector<uint32_t> &clock);
  void acquire(const std::vector<uint32_t> &clock);
  MemoryBarrier *memory_barrier(uint32_t offset);

  // Moves time on, so that what was done until now can be told from what follows.
  uint32_t tick();

  // Ends the block with an error line about the running thread: "<kernel>: block .. thread .. at <line>: <what>".
  [[noreturn]] void fault(const std::string &what, const void *call);

  // Ends the block, of which there is nothing to say: another has failed.
  [[noreturn]] void give_up();

  bool in_shared(uintptr_t address) const {
    return address - reinterpret_cast<uintptr_t>(region) < SHARED_BYTES;
  }
  bool in_region(uintptr_t address) const {
    return address - reinterpret_cast<uintptr_t>(region) < REGION_BYTES;
  }
  bool in_own_stack(uintptr_t address) const {
    return address - reinterpret_cast<uintptr_t>(own_stack) < STACK_BYTES;
  }
  // In the shared window.
  uint32_t offset(uintptr_t address) const {
    return static_cast<uint32_t>(address - reinterpret_cast<uintptr_t>(region));
  }
  // "byte 12 of 'tile'", "4 bytes past the end of 'tile'".
  std::string describe_shared(uint32_t offset) const;
  // "thread (3,0,0)", "several threads".
  std::string describe_thread(uint32_t stamp) const;
  // "block (3,0,0)", by its number in the grid.
  std::string describe_block(uint64_t index) const;

  void *shared_array(const SharedArray &array, const void *call);

  // Whether what was stamped comes before what the running thread does now; readers: of SEVERAL.
  bool before(uint32_t stamp, const Readers *readers) const;
  // The threads of `group` have met: what each did comes before what any does now.
  void meet(Warp &w, uint32_t group);

  // Stacks lie a little off a power of two apart, so that their tops do not meet in the same sets of the cache.
  static constexpr size_t STACK_BYTES = (size_t{128} << 10) + 320;
  static constexpr size_t PARAMS_BYTES = 4096;
  static constexpr size_t REGION_BYTES =
      SHARED_BYTES + PARAMS_BYTES + (MAX_THREADS * STACK_BYTES + 4095) / 4096 * 4096;

 private:
  void run_block(uint64_t index);
  void check_registers();
  void leave_together(uint64_t index);
  void run_fibers();
  Thread *choose();
  void leave();  // goes on with another thread; returns when the running one is chosen again
  void enter(Thread &thread);
  bool ready(Warp &w, uint32_t group);
  void complete(Warp &w, uint32_t group);
  void release_barrier();
  std::string explain_stuck();
  std::string explain_waiting(const Thread &thread);
  bool land();
  void set_runnable(Warp &warp, uint32_t lanes);
  void set_stopped(Warp &warp, uint32_t lanes);
  void restart_time();
  void declare(const SharedArray *array, size_t bytes, size_t alignment);
  std::string line(const Thread &thread, const std::string &what, const void *call) const;
  void fail(const std::string &line);
  uint8_t *stack(size_t number) const {
    return region + SHARED_BYTES + PARAMS_BYTES + number * STACK_BYTES;
  }
  uint32_t random();
  static void begin_thread();

  void *scheduler_ = nullptr;  // the OS thread's own stack, while fibers run
  void *abandoned_ = nullptr;  // where fibers that will not go on leave word
  uint64_t random_ = 1;
  // Where the first thread waits at the barrier of the block.
  const char *barrier_file_ = nullptr;
  int barrier_line_ = 0;
  const void *barrier_call_ = nullptr;
  int at_barrier_ = 0;
};

// The worker of this OS thread; null on others.
extern constinit thread_local Worker *worker [[gnu::tls_model("initial-exec")]];

// Keeps the first error line of the device.
void keep_fault(const std::string &line);

// "rms_norm.cu:31", with " (from linear.cu:88)" where that line was inlined into another; a return address.
std::string source_line(const void *call);
// Whether two return addresses belong to the same line.
bool same_line(const void *a, const void *b);

}  // namespace fovea::emulator
