#include "emulator/together.h"

#include "emulator/access.h"

namespace fovea::emulator {

namespace {

void merge(Clock &into, const Clock &from) {
  if (into.size() < from.size()) into.resize(from.size());
  for (size_t i = 0; i < from.size(); i++) into[i] = std::max(into[i], from[i]);
}

// What the block did until now is before what it does from now on, for whoever gets to know `clock`.
void tell(Member &m, Clock &clock) {
  merge(clock, m.known);
  clock.resize(m.all->blocks);
  clock[m.block] = ++m.time;
}

// A block of another launch, this block, or one that this block has heard of.
bool before(const Member &m, uint32_t stamp) {
  uint32_t block = stamp >> TIME_BITS, time = stamp & TIMES;
  if (time < m.all->first || block == m.block + 1) return true;
  if (block == SEVERAL_BLOCKS) return time < m.all->first + m.turn;
  return time < m.known[block - 1];
}

[[noreturn, gnu::cold, gnu::noinline]] void race(const Worker &w, Access access, uintptr_t address,
                                                 size_t size, uint32_t other, const char *did,
                                                 const void *call) {
  uint32_t block = other >> TIME_BITS;
  refuse(access, size,
         Memory::describe(address) + ", which " +
             (block == SEVERAL_BLOCKS ? "several blocks" : w.describe_block(block - 1)) + did +
             " with no barrier of the grid between",
         call);
}

Member &member(const uint32_t *counter, const void *call) {
  Worker &w = *worker;
  if (!w.member.all) w.fault("a barrier of the grid in a launch that is not cooperative", call);
  check_aligned(counter, 4, "the counter of a barrier of the grid has", call);
  auto address = reinterpret_cast<uintptr_t>(counter);
  if (!Memory::contains(address) || !Memory::allows(address, 4))
    w.fault("the counter of a barrier of the grid is not in memory of the device", call);
  return w.member;
}

}  // namespace

void touch_together(const Worker &w, Access access, uintptr_t address, size_t size,
                    const void *call) {
  const Member &m = w.member;
  uint32_t own = (m.block + 1) << TIME_BITS | m.time;
  uint32_t readers = SEVERAL_BLOCKS << TIME_BITS | (m.all->first + m.turn + m.arrived);
  for (size_t i = (address - Memory::base) / 2; i <= (address - Memory::base + size - 1) / 2; i++) {
    std::atomic<uint64_t> &cell = Memory::touched[i];
    uint64_t old = cell.load(std::memory_order_relaxed);
    for (;;) {
      auto writer = static_cast<uint32_t>(old >> 32), reader = static_cast<uint32_t>(old);
      if (!before(m, writer)) race(w, access, address, size, writer, " wrote", call);
      uint64_t next = uint64_t{own} << 32;
      if (access == Access::ATOMIC) break;
      if (access == Access::READ) {
        bool several = reader >> TIME_BITS == SEVERAL_BLOCKS;
        uint32_t now = before(m, reader) ? own : several ? std::max(reader, readers) : readers;
        next = uint64_t{writer} << 32 | now;
      } else if (!before(m, reader)) {
        race(w, access, address, size, reader, " read", call);
      }
      if (next == old || cell.compare_exchange_weak(old, next, std::memory_order_relaxed)) break;
    }
  }
}

void grid_arrive(const uint32_t *counter) {
  Worker &w = *worker;
  Member &m = member(counter, CALL);
  if (m.arrived) w.fault("grid_arrive twice with no grid_wait between", CALL);
  w.block_barrier("grid_arrive", 0, CALL);
  // The first thread to go on does it for the block.
  if (++w.running->grid_steps <= m.steps) return;
  m.steps++;
  m.arrived = true;
  Together &all = *m.all;
  std::lock_guard lock(all.mutex);
  tell(m, all.arriving);
  all.last = std::max({all.last, m.time, all.first + m.turn + 1});
  if (++all.arrived < all.blocks) return;
  all.known = all.arriving;
  all.arrived = 0;
  all.turn++;
  all.changed.notify_all();
}

void grid_wait(const uint32_t *counter) {
  Worker &w = *worker;
  Member &m = member(counter, CALL);
  if (!m.arrived) w.fault("grid_wait with no grid_arrive before", CALL);
  Together &all = *m.all;
  bool passed, failed;
  {
    std::unique_lock lock(all.mutex);
    all.changed.wait(lock, [&] { return all.turn > m.turn || all.over; });
    passed = all.turn > m.turn;
    failed = w.job->failed.load();
  }
  if (!passed && failed) w.give_up();
  if (!passed)
    w.fault(
        "waits at a barrier of the grid for " + w.describe_block(all.ended) + ", which has ended",
        CALL);
  w.block_barrier("grid_wait", 0, CALL);
  if (++w.running->grid_steps <= m.steps) return;
  m.steps++;
  m.arrived = false;
  if (m.turn++ != all.ignored)
    merge(m.known, all.known);  // which stay until this block arrives again
}

// ---- order by atomic operations ----

void hear_fence(Member &m) {
  merge(m.known, m.heard);
  std::lock_guard lock(m.all->mutex);
  tell(m, m.fenced);
  m.all->last = std::max(m.all->last, m.time);
}

void hear_atomic(Member &m, const void *memory) {
  Clock &told = m.all->atomics[reinterpret_cast<uintptr_t>(memory)];
  merge(m.heard, told);
  merge(told, m.fenced);
}

}  // namespace fovea::emulator
