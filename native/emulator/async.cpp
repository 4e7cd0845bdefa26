// Barriers that only some wait for, and bulk copies. A load lands when some thread has nothing left to do but wait for it, and
// a store when its thread waits for it: as late as can be, so that whoever does not wait finds nothing.

#include <string.h>

#include "emulator/access.h"

namespace fovea::emulator {

// ---- what barriers hand on ----

void Worker::release(std::vector<uint32_t> &clock) {
  uint32_t stamp = tick();
  clock.resize(KNOWN);
  for (size_t i = 0; i < running->known.size(); i++)
    clock[i] = std::max(clock[i], running->known[i]);
  // What other lanes did before the last barrier of the warp.
  size_t first = running->number / 32 * 32;
  for (size_t i = first; i < first + 32; i++) clock[i] = std::max(clock[i], warp_synced);
  clock[running->number] = stamp;
  now = stamp | running->number;
}

void Worker::acquire(const std::vector<uint32_t> &clock) {
  if (clock.empty()) return;
  auto &known = running->known;
  known.resize(KNOWN);
  for (size_t i = 0; i < clock.size(); i++) known[i] = std::max(known[i], clock[i]);
}

void Worker::wait(uint32_t waits_for, const void *call) {
  running->state = State::WAITING;
  running->waits_for = waits_for;
  running->call = call;
  set_stopped(*warp, 1u << running->number % 32);
  leave();
}

void Worker::wake(uint32_t waits_for) {
  for (size_t i = 0; i < job->how.block.count(); i++) {
    Thread &t = threads[i];
    if (t.state != State::WAITING || t.waits_for != waits_for) continue;
    t.state = State::RUNNABLE;
    set_runnable(warps[i / 32], 1u << i % 32);
  }
}

std::string Worker::explain_waiting(const Thread &t) {
  if (t.waits_for < 16) {
    const PartBarrier &b = part_barriers[t.waits_for];
    return "waits for ever at barrier " + std::to_string(t.waits_for) + ", to which " +
           std::to_string(b.arrived) + " of " + std::to_string(b.threads) + " threads have come";
  }
  const MemoryBarrier &b = *memory_barrier(t.waits_for);
  return "waits for ever in mbarrier_wait " + describe_shared(b.offset) + ": phase " +
         std::to_string(b.phase) + " lacks " + std::to_string(b.pending) + " of " +
         std::to_string(b.count) + " arrivals and " + std::to_string(b.bytes) + " bytes";
}

// ---- barriers with numbers ----

void part_barrier(int number, int threads, bool waits) {
  Worker &w = *worker;
  if (number < 1 || number > 15 || threads < 32 || threads > MAX_THREADS || threads % 32)
    w.fault("barrier " + std::to_string(number) + " of " + std::to_string(threads) + " threads",
            CALL);
  PartBarrier &b = w.part_barriers[number];
  if (b.arrived && b.threads != threads)
    w.fault("barrier " + std::to_string(number) + " of " + std::to_string(threads) +
                " threads, which others came to as one of " + std::to_string(b.threads),
            CALL);
  b.threads = threads;
  w.release(b.coming);
  uint32_t turn = b.turn;
  if (++b.arrived == threads) {
    // Those who wait have done nothing since they came: all of a warp came at the time of the last.
    for (size_t i = 0; i < w.job->how.block.count(); i++) {
      const Thread &t = w.threads[i];
      if (t.state == State::WAITING && t.waits_for == static_cast<uint32_t>(number))
        b.coming[i] = w.now & ~ID;
    }
    b.released.swap(b.coming);
    b.coming.clear();
    b.arrived = 0;
    b.turn++;
    w.wake(static_cast<uint32_t>(number));
  }
  if (!waits) return;
  while (b.turn == turn) w.wait(static_cast<uint32_t>(number), CALL);
  w.acquire(b.released);
}

// ---- mbarriers ----

namespace {

uint32_t barrier_offset(Worker &w, uint64_t *barrier, const void *call) {
  if (!w.in_shared(reinterpret_cast<uintptr_t>(barrier)))
    w.fault("an mbarrier that is not in shared memory", call);
  check_aligned(barrier, 8, "an mbarrier at", call);
  return w.offset(reinterpret_cast<uintptr_t>(barrier));
}

// One that is there, and that the running thread has seen made.
MemoryBarrier &barrier_at(Worker &w, uint64_t *barrier, const void *call) {
  uint32_t offset = barrier_offset(w, barrier, call);
  touch_shared<Access::READ, 8>(w, offset, call);
  MemoryBarrier *found = w.memory_barrier(offset);
  if (!found) w.fault("an mbarrier that mbarrier_init has not made", call);
  return *found;
}

void complete_phase(Worker &w, MemoryBarrier &b) {
  if (b.pending || b.bytes) return;
  b.phase++;
  b.pending = b.count;
  b.released.swap(b.arrived);
  b.arrived.clear();
  w.wake(b.offset);
}

}  // namespace

MemoryBarrier *Worker::memory_barrier(uint32_t offset) {
  for (auto &b : memory_barriers) {
    if (b.offset == offset) return &b;
  }
  return nullptr;
}

void memory_barrier_init(uint64_t *barrier, int count) {
  Worker &w = *worker;
  if (count < 1 || count >= 1 << 20)
    w.fault("an mbarrier of " + std::to_string(count) + " arrivals", CALL);
  uint32_t offset = barrier_offset(w, barrier, CALL);
  touch_shared<Access::WRITE, 8>(w, offset, CALL);
  MemoryBarrier *b = w.memory_barrier(offset);
  if (!b) b = &w.memory_barriers.emplace_back();
  *b = MemoryBarrier{};
  b->offset = offset;
  b->maker = w.running->number;
  b->count = b->pending = count;
}

void memory_barrier_made() {
  for (auto &b : worker->memory_barriers) b.made |= b.maker == worker->running->number;
}

void memory_barrier_arrive(uint64_t *barrier, int bytes) {
  Worker &w = *worker;
  MemoryBarrier &b = barrier_at(w, barrier, CALL);
  if (b.pending == 0)
    w.fault("arrives at an mbarrier of " + std::to_string(b.count) + " once too often", CALL);
  w.release(b.arrived);
  b.bytes += bytes;
  b.pending--;
  complete_phase(w, b);
}

void memory_barrier_wait(uint64_t *barrier, int parity) {
  Worker &w = *worker;
  uint32_t offset = barrier_at(w, barrier, CALL).offset;
  while ((w.memory_barrier(offset)->phase & 1) == static_cast<uint32_t>(parity & 1))
    w.wait(offset, CALL);
  w.acquire(w.memory_barrier(offset)->released);
}

void fence_for_copies() {
  Worker &w = *worker;
  w.running->fenced = w.tick();
  w.now = w.running->fenced | w.running->number;
}

// ---- boxes ----

namespace {

// A TensorMap as encode_tensor_map leaves it.
struct Map {
  static constexpr uint32_t MADE = 0xf0fea2d;
  uint32_t made;
  int32_t element_bytes, swizzle;
  int32_t box_columns, box_rows;
  int64_t columns, rows, stride;
  uint8_t *data;
};
static_assert(sizeof(Map) <= sizeof(TensorMap));

// Where byte `at` of a box lies, from its place in the shared window: pieces of 16 bytes change places by the lines of 128
// bytes that they lie in. PTX ISA, "Swizzling modes".
uint32_t swizzled(uint32_t offset, int swizzle) {
  uint32_t lines = swizzle == 128 ? 7 : swizzle == 64 ? 3 : swizzle == 32 ? 1 : 0;
  return offset ^ (offset >> 7 & lines) << 4;
}

Box box_of(Worker &w, const TensorMap *map, int column, int row, uint32_t shared,
           const void *call) {
  auto place = reinterpret_cast<uintptr_t>(map);
  if (w.in_own_stack(place)) w.fault("a tensor map in a local variable", call);
  check_aligned(map, alignof(TensorMap), "a tensor map at", call);
  Map m;
  memcpy(&m, map, sizeof m);
  if (m.made != Map::MADE) w.fault("a tensor map that was never filled", call);
  Box box{};
  box.rows = m.box_rows;
  box.row_bytes = m.box_columns * m.element_bytes;
  box.stride = m.stride;
  box.global = m.data + int64_t{row} * m.stride + int64_t{column} * m.element_bytes;
  auto within = [](int64_t v, int64_t most) {
    return static_cast<int>(std::clamp<int64_t>(v, 0, most));
  };
  box.first_row = within(-int64_t{row}, box.rows);
  box.last_row = within(m.rows - row, box.rows);
  box.first_byte = within(-int64_t{column} * m.element_bytes, box.row_bytes);
  box.last_byte = within((m.columns - column) * m.element_bytes, box.row_bytes);
  box.swizzle = m.swizzle;
  box.shared = shared;
  uint32_t alignment = m.swizzle ? static_cast<uint32_t>(m.swizzle) * 8 : 128;
  if (shared % alignment)
    w.fault("a box at an address that is not a multiple of " + std::to_string(alignment), call);
  return box;
}

Box run_of(const void *global, int bytes, uint32_t shared) {
  Box box{};
  box.global = static_cast<uint8_t *>(const_cast<void *>(global));
  box.rows = box.last_row = 1;
  box.row_bytes = box.last_byte = bytes;
  box.shared = shared;
  return box;
}

template <Access ACCESS>
void check_global(Worker &w, const Box &box, const void *call) {
  if (box.first_byte >= box.last_byte) return;
  for (int r = box.first_row; r < box.last_row; r++) {
    auto from = reinterpret_cast<uintptr_t>(box.global) +
                static_cast<uintptr_t>(r * box.stride + box.first_byte);
    auto bytes = static_cast<size_t>(box.last_byte - box.first_byte);
    if (!Memory::contains(from)) w.fault("a bulk copy of what is not global memory", call);
    if (!Memory::allows_range(from, bytes)) refuse_global(ACCESS, from, bytes, call);
    for (size_t i = 0; i < bytes; i += 16)
      touch_global<ACCESS>(w, from + i, std::min(bytes - i, size_t{16}), call);
  }
}

// Calls move(shared bytes, global bytes or nullptr, how many) for pieces of at most 16 bytes that lie in one row.
template <class Move>
void for_pieces(Worker &w, const Box &box, Move move) {
  for (int r = 0; r < box.rows; r++) {
    for (int c = 0; c < box.row_bytes; c += 4) {
      bool within =
          r >= box.first_row && r < box.last_row && c >= box.first_byte && c < box.last_byte;
      uint32_t at =
          swizzled(box.shared + static_cast<uint32_t>(r * box.row_bytes + c), box.swizzle);
      // The matrix may end in the middle of a word of two halves.
      int bytes = within ? std::min(4, box.last_byte - c) : 4;
      move(w.region + at, within ? box.global + r * box.stride + c : nullptr, bytes);
    }
  }
}

void load(Worker &w, const Box &box, uint64_t *barrier, const void *call) {
  MemoryBarrier &b = barrier_at(w, barrier, call);
  if (!b.made) w.fault("a bulk load before mbarrier_made", call);
  check_global<Access::READ>(w, box, call);
  touch_shared<Access::COPY>(w, box.shared, static_cast<size_t>(box.bytes()), call);
  w.flights.push_back({box, b.offset, w.running->number});
}

void store(Worker &w, const Box &box, const void *call) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(box.bytes()) / 4; i++)
    read_beside<Access::READ>(w, box.shared / 4 + i, STORES, call);
  check_global<Access::WRITE>(w, box, call);
  uint32_t issued = w.tick();
  w.now = issued | w.running->number;
  w.running->stores.push_back({box, w.running->store_groups, issued});
}

void check_run(Worker &w, const void *shared, const void *global, int bytes, const void *call) {
  if (bytes < 16 || bytes % 16) w.fault("a bulk copy of " + std::to_string(bytes) + " bytes", call);
  check_aligned(global, 16, "a bulk copy of", call);
  check_aligned(shared, 16, "a bulk copy of", call);
  if (!w.in_shared(reinterpret_cast<uintptr_t>(shared)))
    w.fault("a bulk copy that is not of shared memory", call);
}

}  // namespace

// One load for whose barrier somebody waits; false: there is none.
bool Worker::land() {
  std::vector<size_t> wanted;
  for (size_t i = 0; i < flights.size(); i++) {
    for (size_t j = 0; j < job->how.block.count(); j++) {
      if (threads[j].state == State::WAITING && threads[j].waits_for == flights[i].barrier) {
        wanted.push_back(i);
        break;
      }
    }
  }
  if (wanted.empty()) return false;
  size_t chosen = wanted[random() % wanted.size()];
  Flight flight = flights[chosen];
  flights.erase(flights.begin() + static_cast<std::ptrdiff_t>(chosen));
  for_pieces(*this, flight.box, [](uint8_t *to, const uint8_t *from, int bytes) {
    memset(to, 0, 4);
    if (from) memcpy(to, from, static_cast<size_t>(bytes));
  });
  uint32_t stamp = time << ID_BITS | LANDED;
  uint32_t first = flight.box.shared / 4, words = static_cast<uint32_t>(flight.box.bytes()) / 4;
  for (uint32_t i = first; i < first + words; i++) shadow.words[i] = {stamp, 0};
  MemoryBarrier &b = *memory_barrier(flight.barrier);
  b.bytes -= flight.box.bytes();
  b.arrived.resize(KNOWN);
  b.arrived[LANDED] = tick();
  complete_phase(*this, b);
  return true;
}

void load_bulk(void *shared, const void *global, int bytes, uint64_t *barrier) {
  Worker &w = *worker;
  check_run(w, shared, global, bytes, CALL);
  load(w, run_of(global, bytes, w.offset(reinterpret_cast<uintptr_t>(shared))), barrier, CALL);
}

void load_box(void *shared, const TensorMap *map, int column, int row, uint64_t *barrier) {
  Worker &w = *worker;
  if (!w.in_shared(reinterpret_cast<uintptr_t>(shared)))
    w.fault("a box that does not lie in shared memory", CALL);
  load(w, box_of(w, map, column, row, w.offset(reinterpret_cast<uintptr_t>(shared)), CALL), barrier,
       CALL);
}

void store_bulk(void *global, const void *shared, int bytes) {
  Worker &w = *worker;
  check_run(w, shared, global, bytes, CALL);
  store(w, run_of(global, bytes, w.offset(reinterpret_cast<uintptr_t>(shared))), CALL);
}

void store_box(const TensorMap *map, int column, int row, const void *shared) {
  Worker &w = *worker;
  if (!w.in_shared(reinterpret_cast<uintptr_t>(shared)))
    w.fault("a box that does not lie in shared memory", CALL);
  store(w, box_of(w, map, column, row, w.offset(reinterpret_cast<uintptr_t>(shared)), CALL), CALL);
}

void store_commit() { worker->running->store_groups++; }

void store_wait(int groups) {
  Worker &w = *worker;
  Thread &t = *w.running;
  size_t kept = 0;
  for (const Store &store : t.stores) {
    if (store.group + static_cast<uint32_t>(groups) >= t.store_groups) {
      t.stores[kept++] = store;
      continue;
    }
    for_pieces(w, store.box, [](const uint8_t *from, uint8_t *to, int bytes) {
      if (to) memcpy(to, from, static_cast<size_t>(bytes));
    });
  }
  t.stores.resize(kept);
  t.known.resize(KNOWN);
  // What was read before the first that is left; it read in the tick before it was issued.
  t.known[STORES] = kept ? t.stores[0].issued - (1u << ID_BITS) : w.tick();
  w.now = w.time << ID_BITS | t.number;
}

// ---- registers ----

namespace {

constexpr Collective REGISTERS{
    "setmaxnreg",
    [](Worker &w, Warp &warp, uint32_t) { warp.registers = w.thread(warp, 0).request.lane; }, true};

}  // namespace

// Who takes is not held up until others have given; whether they did is looked at when the block has ended.
void change_registers(int count, bool more) {
  Worker &w = *worker;
  int before = w.warp->registers ? w.warp->registers : first_registers(w.job->function->threads);
  if (more ? count < before : count > before)
    w.fault(std::string(more ? "takes" : "gives") + " registers of " + std::to_string(before) +
                " a thread, so that there are " + std::to_string(count),
            CALL);
  w.request().lane = count;
  w.join_whole(REGISTERS, CALL);
}

// ---- the host's part ----

// CUDA driver API, cuTensorMapEncodeTiled: numbers of types and swizzles, and what it asks for.
int encode_tensor_map(void *map, int type, uint32_t rank, void *address, const uint64_t *extents,
                      const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides,
                      int interleave, int swizzle, int, int fill) {
  constexpr int INVALID = 1;
  int bytes = type == 1 || type == 6 || type == 9   ? 2  // 16 bits, binary16, bfloat16
              : type == 2 || type == 3 || type == 7 ? 4  // 32 bits without and with sign, binary32
                                                    : 0;
  if (!map || reinterpret_cast<uintptr_t>(map) % alignof(TensorMap) || !bytes || rank != 2)
    return INVALID;
  if (reinterpret_cast<uintptr_t>(address) % 16 || strides[0] % 16 ||
      strides[0] >= uint64_t{1} << 40)
    return INVALID;
  if (interleave || fill || swizzle < 0 || swizzle > 3) return INVALID;
  for (int i = 0; i < 2; i++) {
    if (extents[i] < 1 || extents[i] > uint64_t{1} << 32 || box[i] < 1 || box[i] > 256 ||
        element_strides[i] != 1)
      return INVALID;
  }
  Map m{};
  m.made = Map::MADE;
  m.element_bytes = bytes;
  m.swizzle = swizzle ? 16 << swizzle : 0;
  m.box_columns = static_cast<int32_t>(box[0]);
  m.box_rows = static_cast<int32_t>(box[1]);
  m.columns = static_cast<int64_t>(extents[0]);
  m.rows = static_cast<int64_t>(extents[1]);
  m.stride = static_cast<int64_t>(strides[0]);
  m.data = static_cast<uint8_t *>(address);
  int row_bytes = m.box_columns * bytes;
  if (row_bytes % 16 || (swizzle && row_bytes > m.swizzle)) return INVALID;
  memset(map, 0, sizeof(TensorMap));
  memcpy(map, &m, sizeof m);
  return 0;
}

}  // namespace fovea::emulator
