#include "emulator/memory.h"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

namespace fovea::emulator {

uintptr_t Memory::base = 0;
size_t Memory::bytes = 0;
const uint8_t *Memory::valid = nullptr;
uint16_t *Memory::written = nullptr;
std::atomic<uint64_t> *Memory::touched = nullptr;
uint16_t Memory::launch = 0;
uint16_t Memory::complete = 0;

namespace {

// Allocations begin on pages, so that freed ones can be handed back to the system, and end at least this far before the next.
constexpr size_t PAGE = 4096;
constexpr size_t GAP = 256;

std::mutex mutex;
std::map<size_t, size_t> allocations;  // offset to bytes
size_t cursor =
    0;  // where the search for room goes on: freed memory is used again as late as possible
int64_t live_bytes = 0;

uint8_t *valid_bytes() { return const_cast<uint8_t *>(Memory::valid); }

void mark(size_t offset, size_t bytes, bool allocated) {
  uint8_t *cells = valid_bytes() + (offset >> 4);
  memset(cells, allocated ? 16 : 0, bytes >> 4);
  if (bytes & 15) cells[bytes >> 4] = allocated ? static_cast<uint8_t>(bytes & 15) : 0;
}

void *reserve(size_t bytes) {
  void *range = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return range == MAP_FAILED ? nullptr : range;
}

// Once, at the first allocation, as much as the system lets us name (nothing of it is used yet).
bool reserve_range() {
  if (Memory::base) return true;
  for (size_t bytes = size_t{1} << 38; bytes >= size_t{1} << 30; bytes >>= 1) {
    void *range = reserve(bytes);
    if (!range) continue;
    // One cell more, for an access that ends past the last.
    void *cells = reserve((bytes >> 4) + PAGE);
    void *rounds = reserve((bytes >> 4) * 2 + PAGE);
    if (!cells || !rounds) {
      if (rounds) munmap(rounds, (bytes >> 4) * 2 + PAGE);
      if (cells) munmap(cells, (bytes >> 4) + PAGE);
      munmap(range, bytes);
      continue;
    }
    Memory::valid = static_cast<uint8_t *>(cells);
    Memory::written = static_cast<uint16_t *>(rounds);
    Memory::bytes = bytes;
    Memory::base = reinterpret_cast<uintptr_t>(range);
    return true;
  }
  return false;
}

size_t room(size_t bytes) { return (bytes + GAP + PAGE - 1) / PAGE * PAGE; }

void drop(std::map<size_t, size_t>::iterator allocation) {
  auto [offset, bytes] = *allocation;
  mark(offset, bytes, false);
  madvise(reinterpret_cast<void *>(Memory::base + offset), room(bytes), MADV_DONTNEED);
  live_bytes -= static_cast<int64_t>(bytes);
  allocations.erase(allocation);
}

}  // namespace

void Memory::begin_launch(bool overlap) {
  if (launch == UINT16_MAX) {
    // Counts from the start again; what was written so far is taken to have ended.
    if (bytes) madvise(written, (bytes >> 4) * 2, MADV_DONTNEED);
    launch = complete = 0;
  }
  if (!overlap) complete_all();
  launch++;
}

bool Memory::keep_touched() {
  std::lock_guard lock(mutex);
  if (!touched && reserve_range())
    touched = static_cast<std::atomic<uint64_t> *>(
        reserve(bytes * 4 + PAGE));  // lock-free: zero bits are a zero
  return touched;
}

void Memory::forget_touched() {
  if (touched) madvise(touched, bytes * 4, MADV_DONTNEED);
}

bool Memory::allows_range(uintptr_t address, size_t size) {
  if (!contains(address) || size > bytes - (address - base)) return false;
  if (size == 0) return true;
  size_t first = (address - base) >> 4;
  size_t last = (address - base + size - 1) >> 4;
  for (size_t i = first; i < last; i++) {
    if (valid[i] != 16) return false;
  }
  return ((address - base + size - 1) & 15) < valid[last];
}

void *Memory::allocate(size_t wanted) {
  std::lock_guard lock(mutex);
  if (!reserve_range() || wanted > bytes / 2) return nullptr;
  size_t need = room(wanted);
  // From the cursor to the end, then once from the start.
  size_t start = cursor;
  for (int round = 0; round < 2; round++, start = 0) {
    auto next = allocations.lower_bound(start);
    if (next != allocations.begin()) {
      auto before = std::prev(next);
      start = std::max(start, before->first + room(before->second));
    }
    while (next != allocations.end() && next->first - start < need) {
      start = next->first + room(next->second);
      ++next;
    }
    if (bytes - start < need) continue;
    allocations.emplace(start, wanted);
    cursor = start + need;
    mark(start, wanted, true);
    live_bytes += static_cast<int64_t>(wanted);
    auto *memory = reinterpret_cast<uint8_t *>(base + start);
    memset(memory, 0xff, wanted);  // contents undefined: not a number in any type of float
    return memory;
  }
  return nullptr;
}

bool Memory::free(void *memory) {
  std::lock_guard lock(mutex);
  auto found = allocations.find(reinterpret_cast<uintptr_t>(memory) - base);
  if (found == allocations.end()) return false;
  drop(found);
  return true;
}

void Memory::free_all() {
  std::lock_guard lock(mutex);
  while (!allocations.empty()) drop(allocations.begin());
}

int64_t Memory::live(int64_t *total) {
  std::lock_guard lock(mutex);
  if (total) *total = live_bytes;
  return static_cast<int64_t>(allocations.size());
}

std::string Memory::describe(uintptr_t address) {
  std::lock_guard lock(mutex);
  size_t offset = address - base;
  auto next = allocations.upper_bound(offset);
  size_t ahead = next == allocations.end() ? SIZE_MAX : next->first - offset;
  auto of = [](size_t size) { return " an allocation of " + std::to_string(size) + " bytes"; };
  if (next != allocations.begin()) {
    auto [start, size] = *std::prev(next);
    size_t within = offset - start;
    if (within < size) return "at byte " + std::to_string(within) + " of" + of(size);
    if (within - size <= ahead)
      return std::to_string(within - size) + " bytes past the end of" + of(size);
  }
  if (ahead != SIZE_MAX)
    return std::to_string(ahead) + " bytes before the start of" + of(next->second);
  return "in global memory where nothing is allocated";
}

}  // namespace fovea::emulator
