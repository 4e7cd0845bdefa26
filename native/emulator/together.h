// A cooperative launch: all its blocks are under way at once, each on an OS thread of its own, and wait for each other at
// barriers of the grid; and what of global memory they touch is held to the order that those make.
//
// Blocks have clocks. A block's clock moves on when it lets others know what it did: at a barrier of the grid, at a fence. What
// a block knows is, for each other block, which of its times come before what it does now: it learns at barriers, and by a fence
// after an atomic operation that came after another block's fence and atomic operation. Each two bytes of global memory keep who
// last wrote there and who read since, with their times; an access that must come after one of those, and is by another block
// that does not know of it, is a race.
#pragma once

#include <stdint.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace fovea::emulator {

struct Job;
struct Worker;

// By block: its times below come before.
using Clock = std::vector<uint32_t>;

struct Together {
  // Times of launches before are below first.
  Together(uint64_t blocks, uint32_t first, int64_t ignored)
      : blocks(blocks), first(first), ignored(ignored), arriving(blocks), known(blocks) {}

  const uint64_t blocks;
  const uint32_t first;
  const int64_t ignored;  // the barrier that orders nothing, negative if all do

  std::mutex mutex;
  std::condition_variable changed;
  uint64_t arrived = 0;   // blocks, at the barrier that is next
  uint32_t turn = 0;      // barriers passed
  bool over = false;      // a block has ended, or failed
  uint64_t ended = 0;     // the first that has
  uint32_t last = 0;      // the latest time of any block
  Clock arriving, known;  // what those know who have come to the next barrier, and knew at the last
  std::map<uintptr_t, Clock> atomics;  // what those knew whose atomic operations came before
};

// A block's part.
struct Member {
  Together *all = nullptr;  // null: the launch is not cooperative
  uint32_t block = 0;
  uint32_t time = 0;     // of the clock
  uint32_t turn = 0;     // barriers passed
  bool arrived = false;  // at the next
  uint32_t steps = 0;    // arrivals and waits together
  Clock known;
  Clock fenced;  // what a fence lets atomic operations tell others
  Clock heard;   // what atomic operations told, for the next fence
};

// A fence and an atomic operation of the block; at that Together::mutex is held.
void hear_fence(Member &member);
void hear_atomic(Member &member, const void *memory);

// A cell of Memory::touched: who wrote, and who read since; each a block, counted from one, above a time. 0: nobody.
constexpr uint32_t TIME_BITS = 22;
constexpr uint32_t TIMES = (1u << TIME_BITS) - 1;
constexpr uint32_t SEVERAL_BLOCKS =
    1023;  // with the number of barriers that the latest of them had passed for a time
constexpr uint64_t MOST_TOGETHER = 1022;

}  // namespace fovea::emulator
