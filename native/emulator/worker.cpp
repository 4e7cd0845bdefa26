#include "emulator/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace fovea::emulator {

constinit thread_local Worker *worker = nullptr;

namespace {

std::string text(uint3 v) {
  char buffer[64];
  snprintf(buffer, sizeof buffer, "(%u,%u,%u)", v.x, v.y, v.z);
  return buffer;
}

uint3 place(uint64_t index, const Extent &extent) {
  return {static_cast<unsigned>(index % extent.x),
          static_cast<unsigned>(index / extent.x % extent.y),
          static_cast<unsigned>(index / extent.x / extent.y)};
}

// splitmix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
uint64_t mix(uint64_t v) {
  v += 0x9e3779b97f4a7c15;
  v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
  v = (v ^ v >> 27) * 0x94d049bb133111eb;
  return v ^ v >> 31;
}

// At the far end of each stack; gone if a kernel's locals ran over it.
constexpr uint64_t FAR_END = 0x5eed0f57ac4b0770;

}  // namespace

Worker::Worker() {
  void *memory = mmap(nullptr, REGION_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  region = static_cast<uint8_t *>(memory);
}

Worker::~Worker() { munmap(region, REGION_BYTES); }

uint32_t Worker::random() {  // xorshift64
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<uint32_t>(random_ >> 32);
}

// ---- blocks ----

void Worker::run(Job &launch) {
  job = &launch;
  member.all = launch.together;
  memcpy(region + SHARED_BYTES, launch.params, PARAMS_BYTES);
  // Forget the arrays of the launch before.
  for (uint32_t i = 0; i < arrays_end / 4; i++) shadow.words[i] = Cell{};
  arrays.clear();
  arrays_end = 1024;
  if (launch.how.shared_bytes) declare(nullptr, launch.how.shared_bytes, 128);
  dynamic_offset = launch.how.shared_bytes ? arrays.front().offset : 0;
  uint64_t count = launch.how.grid.count();
  while (!launch.failed.load(std::memory_order_relaxed)) {
    uint64_t i = launch.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= count) break;
    auto index = static_cast<unsigned __int128>(i) * launch.step + launch.first;
    run_block(static_cast<uint64_t>(index % count));
    if (member.all) leave_together(static_cast<uint64_t>(index % count));
  }
}

// The block waits for nobody any more; whoever waits for it will do so for ever.
void Worker::leave_together(uint64_t index) {
  Together &all = *member.all;
  std::lock_guard lock(all.mutex);
  if (!all.over) all.ended = index;
  all.over = true;
  all.changed.notify_all();
}

void Worker::run_block(uint64_t index) {
  block = place(index, job->how.grid);
  if (Together *all = member.all) {
    member = Member{};
    member.all = all;
    member.block = static_cast<uint32_t>(index);
    member.time = all->first;
    member.known.assign(all->blocks, 0);
  }
  random_ = mix(job->seed ^ mix(index)) | 1;
  if (time > LAST_TIME / 2) restart_time();
  time++;
  started = synced = time << ID_BITS;
  failed = false;
  at_barrier_ = 0;
  auto count = static_cast<size_t>(job->how.block.count());
  alive = static_cast<int>(count);
  if (threads.size() < count) threads.resize(count);
  warps.assign((count + 31) / 32, Warp{});
  runnable_warps = 0;
  memory_barriers.clear();
  for (auto &b : part_barriers) b = PartBarrier{};
  flights.clear();
  for (size_t i = 0; i < count; i++) {
    Thread &t = threads[i];
    t.state = State::RUNNABLE;
    t.number = static_cast<uint16_t>(i);
    t.index = place(i, job->how.block);
    t.waited = !job->how.overlap;
    t.grid_steps = 0;
    t.groups = 0;
    t.copies.clear();
    t.store_groups = 0;
    t.stores.clear();
    t.fenced = 0;
    t.known.clear();
    memcpy(stack(i), &FAR_END, sizeof FAR_END);
    t.fiber = fresh_fiber(stack(i), STACK_BYTES, begin_thread);
    Warp &w = warps[i / 32];
    w.lanes |= 1u << i % 32;
    w.runnable = w.lanes;
    w.synced = started;
    runnable_warps |= 1u << i / 32;
  }
  warp = nullptr;
  run_fibers();
  for (size_t i = 0; i < warps.size() && !failed; i++) {
    const Warp &w = warps[i];
    if (!w.products.empty())
      fail(line(threads[i * 32], "its warp ends with wgmma that it has not waited for", nullptr));
    else if (w.product_count && w.product_count != warps[i / 4 * 4].product_count)
      fail(line(threads[i * 32], "its warp and the first of its four have not run the same wgmma",
                nullptr));
  }
  if (!failed) check_registers();
  for (size_t i = 0; i < count && !failed; i++) {
    uint64_t end;
    memcpy(&end, stack(i), sizeof end);
    if (end != FAR_END)
      fail(line(threads[i], "locals take more than the stack of a thread", nullptr));
  }
}

// What warps took must have been given by others, or they wait for ever.
void Worker::check_registers() {
  int first = first_registers(job->function->threads), total = 0;
  for (size_t i = 0; i < warps.size(); i++) {
    int own = warps[i].registers, leader = warps[i / 4 * 4].registers;
    if (own != leader)
      return fail(line(threads[i * 32],
                       "its warp and the first of its four have not set their registers alike",
                       nullptr));
    total += (own ? own : first) - first;
    if (own && warps.size() < i / 4 * 4 + 4)
      return fail(line(threads[i * 32], "fewer than four warps set their registers", nullptr));
  }
  if (total > 0)
    fail(line(threads[0],
              "warps take " + std::to_string(total * 32) + " registers more than others gave",
              nullptr));
}

void Worker::begin_thread() {
  Worker &w = *worker;
  w.job->function->run(w.region + SHARED_BYTES);
  w.exit_thread();
}

void Worker::run_fibers() {
  for (;;) {
    if (Thread *next = choose()) {
      enter(*next);
      fovea_emulator_switch(&scheduler_, next->fiber);
    }
    if (failed || alive == 0) return;
    if (runnable_warps) continue;
    if (at_barrier_ == alive)
      release_barrier();
    else if (!land())
      return fail(explain_stuck());
  }
}

// A lane of the warp that ran last, at random; once none of it can go on, one of any warp.
Thread *Worker::choose() {
  if (!warp || !warp->runnable) {
    if (!runnable_warps) return nullptr;
    uint32_t turn = random() & 31;
    uint32_t turned = std::rotr(runnable_warps, static_cast<int>(turn));
    warp = &warps[(static_cast<uint32_t>(std::countr_zero(turned)) + turn) & 31];
  }
  uint32_t turn = random() & 31;
  uint32_t turned = std::rotr(warp->runnable, static_cast<int>(turn));
  return &thread(*warp,
                 static_cast<int>((static_cast<uint32_t>(std::countr_zero(turned)) + turn) & 31));
}

void Worker::enter(Thread &t) {
  running = &t;
  now = time << ID_BITS | t.number;
  warp_synced = warp->synced;
  early = !t.waited;
  own_stack = stack(t.number);
}

void Worker::leave() {
  Thread *self = running;
  Thread *next = choose();
  if (next) enter(*next);
  if (next != self) fovea_emulator_switch(&self->fiber, next ? next->fiber : scheduler_);
}

void Worker::set_runnable(Warp &w, uint32_t lanes) {
  w.runnable |= lanes;
  if (w.runnable) runnable_warps |= 1u << (&w - warps.data());
}

void Worker::set_stopped(Warp &w, uint32_t lanes) {
  w.runnable &= ~lanes;
  if (!w.runnable) runnable_warps &= ~(1u << (&w - warps.data()));
}

void Worker::exit_thread() {
  if (!running->stores.empty()) fault("ends with bulk stores that it has not waited for", nullptr);
  Warp &w = *warp;
  uint32_t lane = 1u << running->number % 32;
  running->state = State::EXITED;
  w.exited |= lane;
  set_stopped(w, lane);
  alive--;
  // Those who were waiting for this lane alone wait for nobody now.
  for (uint32_t left = w.waiting; left;) {
    int first = std::countr_zero(left);
    uint32_t group = thread(w, first).request.mask & w.lanes & ~w.exited;
    left &= ~(group | 1u << first);
    if (ready(w, group)) complete(w, group);
  }
  Thread *next = choose();
  if (next) enter(*next);
  fovea_emulator_switch(&abandoned_, next ? next->fiber : scheduler_);
  __builtin_unreachable();
}

// ---- barriers and collectives ----

uint32_t Worker::tick() {
  if (time >= LAST_TIME)
    fault("more warp barriers between two barriers of the block than the emulator can order",
          nullptr);
  time++;
  return time << ID_BITS;
}

// Between blocks, or at a barrier of the block: nothing is under way whose order matters.
void Worker::restart_time() {
  auto forget = [this](Cell &cell) {
    if (cell.writer < SPECIAL) cell.writer = cell.writer >= started ? 1u << ID_BITS : 0;
    cell.reader = 0;
  };
  for (uint32_t i = 0; i < arrays_end / 4; i++) {
    if (shadow.words[i].writer == IN_PARTS) {
      for (uint32_t j = 0; j < 4; j++) forget(shadow.bytes[i * 4 + j]);
    }
    forget(shadow.words[i]);
  }
  started = 1u << ID_BITS;
  time = 1;
  // Whether older stamps had been fenced is forgotten; none is held against a thread.
  for (auto &t : threads) t.fenced = 2u << ID_BITS;
}

void Worker::release_barrier() {
  at_barrier_ = 0;
  if (time > LAST_TIME / 2) restart_time();
  time++;
  synced = time << ID_BITS;
  for (size_t i = 0; i < warps.size(); i++) {
    warps[i].synced = synced;
    set_runnable(warps[i], warps[i].lanes & ~warps[i].exited);
  }
  for (size_t i = 0; i < job->how.block.count(); i++) {
    if (threads[i].state == State::BARRIER) threads[i].state = State::RUNNABLE;
    threads[i].known.clear();
  }
  warp = nullptr;  // any may be first
}

void Worker::block_barrier(const char *file, int line, const void *call) {
  Thread &self = *running;
  if (at_barrier_ == 0) {
    barrier_file_ = file;
    barrier_line_ = line;
    barrier_call_ = call;
  } else if (line != barrier_line_ || (file != barrier_file_ && strcmp(file, barrier_file_) != 0) ||
             !same_line(call, barrier_call_)) {
    fault("waits at another __syncthreads than threads before it, who wait at " +
              source_line(barrier_call_),
          call);
  }
  at_barrier_++;
  self.state = State::BARRIER;
  self.call = call;
  set_stopped(*warp, 1u << self.number % 32);
  leave();
}

Request &Worker::join(const Collective &what, uint32_t mask, const void *call) {
  Thread &self = *running;
  Warp &w = *warp;
  uint32_t lane = 1u << self.number % 32;
  if (!(mask & lane)) fault(std::string(what.name) + " by a lane that its mask leaves out", call);
  self.request.what = &what;
  self.request.mask = mask;
  self.call = call;
  w.waiting |= lane;
  // A lane that has exited cannot take part, nor one that never was.
  uint32_t group = mask & w.lanes & ~w.exited;
  if (ready(w, group)) {
    complete(w, group);
  } else {
    self.state = State::COLLECTIVE;
    set_stopped(w, lane);
    leave();
  }
  return self.request;
}

// Whether all of the group wait, for the same.
bool Worker::ready(Warp &w, uint32_t group) {
  if ((w.waiting & group) != group) return false;
  const Request &first = thread(w, std::countr_zero(group)).request;
  for (uint32_t left = group; left; left &= left - 1) {
    const Request &r = thread(w, std::countr_zero(left)).request;
    if (r.what != first.what || r.mask != first.mask) return false;
  }
  return true;
}

void Worker::complete(Warp &w, uint32_t group) {
  Thread &first = thread(w, std::countr_zero(group));
  const Collective &what = *first.request.what;
  if (what.whole && group != 0xffffffff) {
    fail(line(first,
              std::string(what.name) + " in a warp of which only " +
                  std::to_string(std::popcount(group)) + " lanes are left",
              first.call));
    fovea_emulator_switch(&abandoned_, scheduler_);
  }
  what.run(*this, w, group);
  w.waiting &= ~group;
  for (uint32_t left = group; left; left &= left - 1)
    thread(w, std::countr_zero(left)).state = State::RUNNABLE;
  set_runnable(w, group);
}

void Worker::meet(Warp &w, uint32_t group) {
  uint32_t stamp = tick();
  bool knowing = false;
  for (uint32_t left = group; left; left &= left - 1)
    knowing |= !thread(w, std::countr_zero(left)).known.empty();
  bool whole = group == (w.lanes & ~w.exited);
  if (whole) w.synced = stamp;
  if (!whole || knowing) {
    std::vector<uint32_t> all(KNOWN);
    for (uint32_t left = group; left; left &= left - 1) {
      Thread &t = thread(w, std::countr_zero(left));
      for (size_t i = 0; i < t.known.size(); i++) all[i] = std::max(all[i], t.known[i]);
      all[t.number] = stamp;
    }
    for (uint32_t left = group; left; left &= left - 1)
      thread(w, std::countr_zero(left)).known = all;
  }
  if (!(group >> running->number % 32 & 1) || warp != &w) return;
  now = stamp | running->number;
  warp_synced = w.synced;
}

bool Worker::before(uint32_t stamp, const Readers *readers) const {
  uint32_t id = stamp & ID, own = now & ID;
  if (stamp < synced || id == own) return true;
  auto seen = [&](uint32_t other, uint32_t when) {
    if (when < synced || other == own) return true;
    if (other < MAX_THREADS && other / 32 == own / 32 && when < warp_synced) return true;
    return other < running->known.size() && when < running->known[other];
  };
  if (id != SEVERAL) return id != ATOMICS && seen(id, stamp);
  for (uint32_t left = readers->units; left; left &= left - 1) {
    auto unit = static_cast<uint32_t>(std::countr_zero(left));
    if (!seen(UNIT + unit, readers->when[unit])) return false;
  }
  for (uint32_t left = readers->threads; left; left &= left - 1) {
    auto reader = static_cast<uint32_t>(std::countr_zero(left));
    for (uint32_t i = reader * 32; i < reader * 32 + 32 && i < job->how.block.count(); i++) {
      if (!seen(i, readers->when[reader])) return false;
    }
  }
  return true;
}

// Nothing can go on: some lane waits for another that waits elsewhere.
std::string Worker::explain_stuck() {
  auto where = [](const Thread &t) {
    if (t.state == State::BARRIER) return std::string("__syncthreads");
    if (t.state == State::WAITING) return std::string("a barrier");
    char mask[16];
    snprintf(mask, sizeof mask, "%#x", t.request.mask);
    return std::string(t.request.what->name) + " of lanes " + mask;
  };
  for (auto &w : warps) {
    for (uint32_t left = w.waiting; left; left &= left - 1) {
      Thread &t = thread(w, std::countr_zero(left));
      for (uint32_t others = t.request.mask & w.lanes & ~w.exited; others; others &= others - 1) {
        Thread &other = thread(w, std::countr_zero(others));
        if (other.state == State::COLLECTIVE && other.request.what == t.request.what &&
            other.request.mask == t.request.mask)
          continue;
        return line(t,
                    "waits in " + where(t) + " for thread " + text(other.index) +
                        ", which waits in " + where(other) + " at " + source_line(other.call),
                    t.call);
      }
    }
  }
  for (size_t i = 0; i < job->how.block.count(); i++) {
    if (threads[i].state == State::WAITING)
      return line(threads[i], explain_waiting(threads[i]), threads[i].call);
  }
  __builtin_unreachable();  // barriers of the block wait for nobody else
}

// ---- the warp's ----

namespace {

constexpr Collective WARP_BARRIER{
    "__syncwarp", [](Worker &w, Warp &warp, uint32_t lanes) { w.meet(warp, lanes); }};

constexpr Collective BALLOT{"a vote", [](Worker &w, Warp &warp, uint32_t lanes) {
                              uint32_t votes = 0;
                              for (uint32_t left = lanes; left; left &= left - 1) {
                                int lane = std::countr_zero(left);
                                votes |= w.thread(warp, lane).request.word << lane;
                              }
                              for (uint32_t left = lanes; left; left &= left - 1)
                                w.thread(warp, std::countr_zero(left)).request.word = votes;
                            }};

// CUDA C++ programming guide, "Warp shuffle functions": past the end of the segment a lane gets its own value.
template <Shuffle HOW>
int source_lane(int lane, int operand, int width) {
  int first = lane & ~(width - 1);
  switch (HOW) {
    case Shuffle::TO:
      return first | (operand & (width - 1));
    case Shuffle::XOR:
      return (lane ^ operand) < first + width ? lane ^ operand : lane;
    case Shuffle::UP:
      return lane - operand >= first ? lane - operand : lane;
    case Shuffle::DOWN:
      return lane + operand < first + width ? lane + operand : lane;
  }
  __builtin_unreachable();
}

template <Shuffle HOW>
void exchange(Worker &w, Warp &warp, uint32_t lanes) {
  uint32_t values[32];
  for (uint32_t left = lanes; left; left &= left - 1)
    values[std::countr_zero(left)] = w.thread(warp, std::countr_zero(left)).request.word;
  for (uint32_t left = lanes; left; left &= left - 1) {
    int lane = std::countr_zero(left);
    Request &r = w.thread(warp, lane).request;
    int source = source_lane<HOW>(lane, r.lane, r.width);
    // What it gets is then undefined; the lane itself says so when it goes on.
    r.lane = source >= 0 && source < 32 && (lanes >> source & 1) ? -1 : source;
    if (r.lane < 0) r.word = values[source];
  }
}

constexpr Collective SHUFFLES[] = {{"__shfl_sync", exchange<Shuffle::TO>},
                                   {"__shfl_xor_sync", exchange<Shuffle::XOR>},
                                   {"__shfl_up_sync", exchange<Shuffle::UP>},
                                   {"__shfl_down_sync", exchange<Shuffle::DOWN>}};

}  // namespace

void block_barrier(const char *file, int line) {
  worker->block_barrier(file, line, __builtin_return_address(0));
}

void warp_barrier(uint32_t mask) { worker->join(WARP_BARRIER, mask, __builtin_return_address(0)); }

uint32_t ballot(uint32_t mask, bool predicate) {
  worker->request().word = predicate;
  return worker->join(BALLOT, mask, __builtin_return_address(0)).word;
}

uint32_t shuffle(Shuffle how, uint32_t mask, uint32_t value, int lane, int width) {
  const void *call = __builtin_return_address(0);
  if (width < 1 || width > 32 || (width & (width - 1)))
    worker->fault("shuffle of width " + std::to_string(width), call);
  const Collective &what = SHUFFLES[static_cast<int>(how)];
  Request &r = worker->request();
  r.word = value;
  r.lane = lane;
  r.width = width;
  worker->join(what, mask, call);
  if (r.lane >= 0)
    worker->fault(std::string(what.name) + " from lane " + std::to_string(r.lane) +
                      ", which does not take part",
                  call);
  return r.word;
}

void wait_for_kernels_before() {
  worker->running->waited = true;
  worker->early = false;
  worker->job->waited.store(true, std::memory_order_relaxed);
}

uint3 thread_index() noexcept { return worker->running->index; }
uint3 block_index() noexcept { return worker->block; }
dim3 block_extent() noexcept {
  const Extent &e = worker->job->how.block;
  return {e.x, e.y, e.z};
}
dim3 grid_extent() noexcept {
  const Extent &e = worker->job->how.grid;
  return {e.x, e.y, e.z};
}

// ---- shared memory ----

// Arrays lie where their alignment lets them and no better, with a gap behind each.
void Worker::declare(const SharedArray *array, size_t bytes, size_t alignment) {
  uint32_t step = static_cast<uint32_t>(alignment) * 2;
  uint32_t start = (arrays_end + 16 + step - 1) / step * step + static_cast<uint32_t>(alignment);
  arrays.push_back({array, start, static_cast<uint32_t>(bytes)});
  uint32_t end = start + static_cast<uint32_t>(bytes);
  for (uint32_t i = start / 4; i < end / 4; i++) shadow.words[i] = {0, 0};
  if (end % 4) {
    shadow.words[end / 4] = {IN_PARTS, 0};
    for (uint32_t i = end / 4 * 4; i < end / 4 * 4 + 4; i++)
      shadow.bytes[i] = {i < end ? 0 : OUTSIDE, 0};
  }
  arrays_end = (end + 15) / 16 * 16 + 16;
}

void *Worker::shared_array(const SharedArray &array, const void *call) {
  size_t fixed = array.bytes;
  for (auto &known : arrays) {
    if (known.declared == &array) return region + known.offset;
    if (known.declared) fixed += known.bytes;
  }
  if (fixed > 48 << 10) fault("more than 48 KiB of shared arrays", call);
  if (fixed + job->how.shared_bytes > static_cast<size_t>(shared_bytes()))
    fault("more shared memory than a block can have", call);
  declare(&array, array.bytes, array.alignment);
  return region + arrays.back().offset;
}

void *shared_array(const SharedArray &array) {
  return worker->shared_array(array, __builtin_return_address(0));
}

void *dynamic_shared() {
  if (!worker->dynamic_offset)
    worker->fault("launched without dynamic shared memory", __builtin_return_address(0));
  return worker->region + worker->dynamic_offset;
}

uint32_t shared_offset(const void *shared) {
  auto address = reinterpret_cast<uintptr_t>(shared);
  if (!worker->in_shared(address))
    worker->fault("the address is not one of shared memory", __builtin_return_address(0));
  return worker->offset(address);
}

// ---- error lines ----

std::string Worker::describe_shared(uint32_t offset) const {
  auto name = [](const Array &a) {
    return a.declared ? "'" + std::string(a.declared->name) + "'"
                      : std::string("the dynamic shared memory");
  };
  const Array *behind = nullptr, *ahead = nullptr;
  for (auto &a : arrays) {
    if (offset < a.offset) {
      if (!ahead || a.offset < ahead->offset) ahead = &a;
    } else if (!behind || a.offset > behind->offset) {
      behind = &a;
    }
  }
  if (behind && offset - behind->offset < behind->bytes)
    return "at byte " + std::to_string(offset - behind->offset) + " of " + name(*behind);
  uint32_t past = behind ? offset - behind->offset - behind->bytes : UINT32_MAX;
  if (ahead && ahead->offset - offset < past)
    return std::to_string(ahead->offset - offset) + " bytes before the start of " + name(*ahead);
  if (!behind) return "of shared memory where no array is";
  return std::to_string(past) + " bytes past the end of " + name(*behind);
}

std::string Worker::describe_thread(uint32_t stamp) const {
  uint32_t id = stamp & ID;
  if (id == SEVERAL) return "several";
  if (id == ATOMICS) return "an atomic operation";
  if (id == LANDED) return "an asynchronous copy";
  if (id == STORES) return "an asynchronous store";
  if (id >= UNIT) return "a wgmma";
  return "thread " + text(threads[id].index);
}

std::string Worker::line(const Thread &t, const std::string &what, const void *call) const {
  std::string where = call ? " at " + source_line(call) : "";
  return std::string(job->function->name) + ": block " + text(block) + " thread " + text(t.index) +
         where + ": " + what;
}

void Worker::fail(const std::string &line) {
  keep_fault(line);
  failed = true;
  job->failed.store(true, std::memory_order_relaxed);
}

std::string Worker::describe_block(uint64_t index) const {
  return "block " + text(place(index, job->how.grid));
}

void Worker::give_up() {
  failed = true;
  fovea_emulator_switch(&abandoned_, scheduler_);
  __builtin_unreachable();
}

void Worker::fault(const std::string &what, const void *call) {
  fail(line(*running, what, call));
  // The stack stays as it is and is used again from its start: nothing on it owns anything that must be given back but
  // the text of the line.
  fovea_emulator_switch(&abandoned_, scheduler_);
  __builtin_unreachable();
}

}  // namespace fovea::emulator
