// Every load and store of a kernel comes by here first: the kernels are compiled with the instrumentation of ThreadSanitizer
// and of the alignment, bounds and division checks of UndefinedBehaviorSanitizer, but not linked with their libraries. The
// functions that instrumented code calls are defined below.

#include <link.h>
#include <string.h>

#include <algorithm>

#include "emulator/memory.h"
#include "emulator/worker.h"

namespace fovea::emulator {

namespace {

enum class Access { READ, WRITE, ATOMIC, COPY };

#define CALL __builtin_return_address(0)

const char *verb(Access access) {
  switch (access) {
    case Access::READ:
      return "reads ";
    case Access::WRITE:
      return "writes ";
    case Access::ATOMIC:
      return "updates ";
    case Access::COPY:
      return "copies ";
  }
  __builtin_unreachable();
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse(Access access, size_t size,
                                                   const std::string &where, const void *call) {
  worker->fault(verb(access) + std::to_string(size) + " bytes " + where, call);
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_global(Access access, uintptr_t address,
                                                          size_t size, const void *call) {
  refuse(access, size, Memory::describe(address), call);
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_shared(Access access, uint32_t offset,
                                                          size_t size, const void *call) {
  refuse(access, size, worker->describe_shared(offset), call);
}

// ---- one cell ----

// Why the access to a cell is wrong.
[[noreturn, gnu::cold, gnu::noinline]] void refuse_cell(Worker &w, Access access, const Cell &cell,
                                                        bool by_reader, uint32_t offset,
                                                        uint32_t size, const void *call) {
  if (cell.writer == OUTSIDE) refuse_shared(access, offset, size, call);
  std::string what = verb(access) + std::to_string(size) + " bytes " + w.describe_shared(offset);
  if (cell.writer == IN_FLIGHT) {
    uint32_t owner = w.running->number;
    for (auto &t : w.threads) {
      for (auto &copy : t.copies) {
        if (offset >= copy.to && offset < copy.to + copy.bytes) owner = t.number;
      }
    }
    w.fault(what + ", where an asynchronous copy by " + w.describe_thread(owner) +
                " has not landed: no cp_async_wait since",
            call);
  }
  if (by_reader)
    w.fault(what + ", which " + w.describe_thread(cell.reader) + " read with no barrier between",
            call);
  if (cell.writer < w.started) w.fault(what + ", never written", call);
  w.fault(what + ", which " + w.describe_thread(cell.writer) + " wrote with no barrier between",
          call);
}

// Whether what the running thread sees there was written before, in this block.
inline bool written_before(const Worker &w, const Cell &cell) {
  return cell.writer >= w.started && (cell.writer < w.synced || ((cell.writer ^ w.now) & ID) == 0 ||
                                      (cell.writer < SPECIAL && w.before(cell.writer, 0)));
}

[[gnu::noinline]] void note_reader(const Worker &w, Cell &cell, uint32_t &readers) {
  uint32_t mine = 1u << (w.now & ID) / 32;
  if ((cell.reader & ID) == SEVERAL) {
    readers |= mine;
  } else if (w.before(cell.reader, 0)) {
    cell.reader = w.now;
    return;
  } else {
    readers = mine | 1u << (cell.reader & ID) / 32;
  }
  cell.reader = (w.now & ~ID) | SEVERAL;
}

inline bool read_cell(const Worker &w, Cell &cell, uint32_t &readers) {
  if (!written_before(w, cell)) return false;
  if (cell.reader < w.synced || ((cell.reader ^ w.now) & ID) == 0)
    cell.reader = w.now;
  else
    note_reader(w, cell, readers);
  return true;
}

// Whether the running thread may write there; by_reader: because of whom not.
inline bool may_write(const Worker &w, const Cell &cell, uint32_t readers, bool &by_reader) {
  if (cell.writer >= w.started && !written_before(w, cell)) return false;
  by_reader = cell.reader >= w.synced && ((cell.reader ^ w.now) & ID) != 0 &&
              !w.before(cell.reader, readers);
  return !by_reader;
}

template <Access ACCESS>
inline bool touch_cell(const Worker &w, Cell &cell, uint32_t &readers, bool &by_reader) {
  if constexpr (ACCESS == Access::READ) return read_cell(w, cell, readers);
  if constexpr (ACCESS == Access::ATOMIC) {
    if (cell.writer < w.started) return false;
    bool after_atomics = cell.writer < SPECIAL && (cell.writer & ID) == ATOMICS;
    if (after_atomics ? cell.reader >= w.synced && !w.before(cell.reader, readers)
                      : !may_write(w, cell, readers, by_reader)) {
      by_reader |= after_atomics;
      return false;
    }
    cell = {(w.now & ~ID) | ATOMICS, 0};
    return true;
  }
  if (!may_write(w, cell, readers, by_reader)) return false;
  cell = {ACCESS == Access::COPY ? IN_FLIGHT : w.now, 0};
  return true;
}

// ---- a word of four bytes, or parts of it ----

template <Access ACCESS>
inline void touch_bytes(Worker &w, uint32_t offset, uint32_t size, const void *call) {
  for (uint32_t i = offset; i < offset + size; i++) {
    bool by_reader = false;
    if (!touch_cell<ACCESS>(w, w.shadow.bytes[i], w.shadow.byte_readers[i], by_reader))
      refuse_cell(w, ACCESS, w.shadow.bytes[i], by_reader, i, 1, call);
  }
}

// Gives the word one cell again if its bytes have the same story.
void gather(Worker &w, uint32_t word) {
  const Cell *bytes = &w.shadow.bytes[word * 4];
  const uint32_t *readers = &w.shadow.byte_readers[word * 4];
  Cell whole = bytes[0];
  for (int i = 1; i < 4; i++) {
    if (bytes[i].reader != bytes[0].reader || readers[i] != readers[0]) return;
    if (bytes[i].writer != bytes[0].writer) {
      // Different, but each of them before all that follows.
      if (bytes[i].writer >= w.synced || whole.writer >= w.synced) return;
      whole.writer = std::max(whole.writer, bytes[i].writer);
    }
  }
  w.shadow.words[word] = whole;
  w.shadow.word_readers[word] = readers[0];
}

template <Access ACCESS>
[[gnu::noinline]] void touch_parts(Worker &w, uint32_t word, const void *call) {
  touch_bytes<ACCESS>(w, word * 4, 4, call);
  gather(w, word);
}

template <Access ACCESS>
inline void touch_word(Worker &w, uint32_t word, const void *call) {
  Cell &cell = w.shadow.words[word];
  if (cell.writer == IN_PARTS) return touch_parts<ACCESS>(w, word, call);
  bool by_reader = false;
  if (!touch_cell<ACCESS>(w, cell, w.shadow.word_readers[word], by_reader)) [[unlikely]]
    refuse_cell(w, ACCESS, cell, by_reader, word * 4, 4, call);
}

template <Access ACCESS>
[[gnu::noinline]] void touch_part(Worker &w, uint32_t offset, uint32_t size, const void *call) {
  uint32_t word = offset / 4;
  if (w.shadow.words[word].writer != IN_PARTS) {
    for (uint32_t i = 0; i < 4; i++) {
      w.shadow.bytes[word * 4 + i] = w.shadow.words[word];
      w.shadow.byte_readers[word * 4 + i] = w.shadow.word_readers[word];
    }
    w.shadow.words[word].writer = IN_PARTS;
  }
  touch_bytes<ACCESS>(w, offset, size, call);
}

template <Access ACCESS>
void touch_shared(Worker &w, uint32_t offset, size_t size, const void *call) {
  if (size > SHARED_BYTES - offset) refuse_shared(ACCESS, offset, size, call);
  auto end = offset + static_cast<uint32_t>(size);
  while (offset < end) {
    uint32_t piece = std::min(4 - offset % 4, end - offset);
    if (piece == 4)
      touch_word<ACCESS>(w, offset / 4, call);
    else
      touch_part<ACCESS>(w, offset, piece, call);
    offset += piece;
  }
}

template <Access ACCESS, uint32_t SIZE>
inline void touch_shared(Worker &w, uint32_t offset, const void *call) {
  if (SIZE < 4 || offset % 4 != 0) [[unlikely]]
    return touch_shared<ACCESS>(w, offset, SIZE, call);
  for (uint32_t i = 0; i < SIZE / 4; i++) touch_word<ACCESS>(w, offset / 4 + i, call);
}

// ---- any address ----

// Tables of constants lie in the image of the kernels; the device has them in its constant memory.
struct Image {
  uintptr_t from = 0, to = 0;
  explicit Image(uintptr_t within) {
    from = within;  // finds the object that contains it
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *image) {
          auto &self = *static_cast<Image *>(image);
          uintptr_t low = UINTPTR_MAX, high = 0;
          for (int i = 0; i < info->dlpi_phnum; i++) {
            if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
            uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            low = std::min(low, start);
            high = std::max(high, start + info->dlpi_phdr[i].p_memsz);
          }
          if (self.from < low || self.from >= high) return 0;
          self.from = low;
          self.to = high;
          return 1;
        },
        this);
  }
};

[[gnu::cold, gnu::noinline]] void foreign(Access access, uintptr_t address, size_t size,
                                          const void *call) {
  static const Image image(reinterpret_cast<uintptr_t>(&refuse));
  if (access == Access::READ && address >= image.from && size <= image.to - address &&
      address < image.to)
    return;
  char text[64];
  snprintf(text, sizeof text, "at %#zx, which is not memory of the device",
           static_cast<size_t>(address));
  refuse(access, size, text, call);
}

template <Access ACCESS, uint32_t SIZE>
inline void touch(const void *memory, const void *call) {
  if (!worker) return;  // the host, in a file of kernels
  Worker &w = *worker;
  auto address = reinterpret_cast<uintptr_t>(memory);
  if (w.in_shared(address)) return touch_shared<ACCESS, SIZE>(w, w.offset(address), call);
  if (w.in_region(address)) return;  // locals and params
  if (Memory::contains(address)) {
    if (!Memory::allows(address, SIZE)) [[unlikely]]
      refuse_global(ACCESS, address, SIZE, call);
    return;
  }
  foreign(ACCESS, address, SIZE, call);
}

template <Access ACCESS>
void touch_range(const void *memory, size_t size, const void *call) {
  if (!worker || size == 0) return;
  Worker &w = *worker;
  auto address = reinterpret_cast<uintptr_t>(memory);
  if (w.in_shared(address)) return touch_shared<ACCESS>(w, w.offset(address), size, call);
  if (w.in_region(address)) return;
  if (Memory::contains(address)) {
    if (!Memory::allows_range(address, size)) refuse_global(ACCESS, address, size, call);
    return;
  }
  foreign(ACCESS, address, size, call);
}

void check_aligned(const void *memory, size_t alignment, const char *what, const void *call) {
  if (reinterpret_cast<uintptr_t>(memory) % alignment)
    worker->fault(
        std::string(what) + " an address that is not a multiple of " + std::to_string(alignment),
        call);
}

}  // namespace

// ---- atomic operations: whole words, of any memory; blocks on other OS threads see them as one ----

uint32_t atomic(Atomic how, void *memory, uint32_t operand) {
  check_aligned(memory, 4, "updates", CALL);
  touch<Access::ATOMIC, 4>(memory, CALL);
  auto *word = static_cast<uint32_t *>(memory);
  uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
  for (;;) {
    uint32_t next = operand;
    auto a = static_cast<int32_t>(old), b = static_cast<int32_t>(operand);
    switch (how) {
      case Atomic::ADD:
        next = old + operand;
        break;
      case Atomic::ADD_FLOAT:
        next = std::bit_cast<uint32_t>(std::bit_cast<float>(old) + std::bit_cast<float>(operand));
        break;
      case Atomic::MAX:
        next = static_cast<uint32_t>(std::max(a, b));
        break;
      case Atomic::MAX_UNSIGNED:
        next = std::max(old, operand);
        break;
      case Atomic::MIN:
        next = static_cast<uint32_t>(std::min(a, b));
        break;
      case Atomic::MIN_UNSIGNED:
        next = std::min(old, operand);
        break;
      case Atomic::AND:
        next = old & operand;
        break;
      case Atomic::OR:
        next = old | operand;
        break;
      case Atomic::EXCHANGE:
        break;
    }
    if (__atomic_compare_exchange_n(word, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
      return old;
  }
}

uint32_t atomic_exchange_if(void *memory, uint32_t expected, uint32_t value) {
  check_aligned(memory, 4, "updates", CALL);
  touch<Access::ATOMIC, 4>(memory, CALL);
  __atomic_compare_exchange_n(static_cast<uint32_t *>(memory), &expected, value, false,
                              __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

void fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

int acquire(const int *global) {
  check_aligned(global, 4, "reads", CALL);
  touch<Access::READ, 4>(global, CALL);
  return __atomic_load_n(global, __ATOMIC_ACQUIRE);
}

void release(int *global, int value) {
  check_aligned(global, 4, "writes", CALL);
  touch<Access::WRITE, 4>(global, CALL);
  __atomic_store_n(global, value, __ATOMIC_RELEASE);
}

// ---- asynchronous copies: what they write shows at the wait ----

void copy_async(void *shared, const void *global, int bytes, bool valid) {
  Worker &w = *worker;
  auto to = reinterpret_cast<uintptr_t>(shared), from = reinterpret_cast<uintptr_t>(global);
  if (!w.in_shared(to)) w.fault("cp_async to an address that is not of shared memory", CALL);
  check_aligned(shared, static_cast<size_t>(bytes), "cp_async to", CALL);
  if (valid) {
    check_aligned(global, static_cast<size_t>(bytes), "cp_async from", CALL);
    if (!Memory::contains(from))
      w.fault("cp_async from an address that is not of global memory", CALL);
    if (!Memory::allows(from, static_cast<size_t>(bytes)))
      refuse_global(Access::READ, from, static_cast<size_t>(bytes), CALL);
  }
  touch_shared<Access::COPY>(w, w.offset(to), static_cast<size_t>(bytes), CALL);
  w.running->copies.push_back({valid ? static_cast<const uint8_t *>(global) : nullptr, w.offset(to),
                               static_cast<uint16_t>(bytes), w.running->groups});
}

void copy_commit() { worker->running->groups++; }

void copy_wait(int groups) {
  Worker &w = *worker;
  Thread &t = *w.running;
  size_t kept = 0;
  for (const Copy &copy : t.copies) {
    if (copy.group + static_cast<uint32_t>(groups) >= t.groups) {
      t.copies[kept++] = copy;
      continue;
    }
    if (copy.from)
      memcpy(w.region + copy.to, copy.from, copy.bytes);
    else
      memset(w.region + copy.to, 0, copy.bytes);
    for (uint32_t i = copy.to / 4; i < (copy.to + copy.bytes) / 4; i++)
      w.shadow.words[i] = {w.now, 0};
  }
  t.copies.resize(kept);
}

// ---- rows of matrices ----

namespace {

void load_rows(Worker &w, Warp &warp, uint32_t) {
  const Request &any = w.thread(warp, 0).request;
  int count = any.lane;
  bool transposed = any.word;
  uint16_t elements[4][8][8];
  for (int i = 0; i < count * 8; i++)
    memcpy(elements[i / 8][i % 8], w.thread(warp, i).request.address, 16);
  for (int lane = 0; lane < 32; lane++) {
    Words4 &r = w.thread(warp, lane).request.a;
    for (int i = 0; i < count; i++) {
      int row = lane / 4, column = lane % 4 * 2;
      uint32_t lo = transposed ? elements[i][column][row] : elements[i][row][column];
      uint32_t hi = transposed ? elements[i][column + 1][row] : elements[i][row][column + 1];
      r[i] = lo | hi << 16;
    }
  }
}

constexpr Collective LOAD_MATRICES[2][2] = {
    {{"ldmatrix_x2", load_rows, true}, {"ldmatrix_x4", load_rows, true}},
    {{"ldmatrix_x2_trans", load_rows, true}, {"ldmatrix_x4_trans", load_rows, true}}};

}  // namespace

Words4 load_matrices(int count, bool transposed, const void *row) {
  Worker &w = *worker;
  if (w.running->number % 32 < count * 8) {
    check_aligned(row, 16, "ldmatrix from", CALL);
    auto address = reinterpret_cast<uintptr_t>(row);
    if (!w.in_shared(address))
      w.fault("ldmatrix from an address that is not of shared memory", CALL);
    touch_shared<Access::READ, 16>(w, w.offset(address), CALL);
  }
  return w
      .join_whole(LOAD_MATRICES[transposed][count == 4],
                  {.word = transposed, .lane = count, .address = row}, CALL)
      .a;
}

}  // namespace fovea::emulator

// ---- what instrumented code calls ----

using namespace fovea::emulator;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}

#define FOVEA_ACCESS(size)                                                                    \
  void __tsan_read##size(void *memory) { touch<Access::READ, size>(memory, CALL); }           \
  void __tsan_write##size(void *memory) { touch<Access::WRITE, size>(memory, CALL); }         \
  void __tsan_unaligned_read##size(void *memory) { touch<Access::READ, size>(memory, CALL); } \
  void __tsan_unaligned_write##size(void *memory) { touch<Access::WRITE, size>(memory, CALL); }
FOVEA_ACCESS(1)
FOVEA_ACCESS(2)
FOVEA_ACCESS(4)
FOVEA_ACCESS(8)
FOVEA_ACCESS(16)

void __tsan_read_range(void *memory, size_t size) { touch_range<Access::READ>(memory, size, CALL); }
void __tsan_write_range(void *memory, size_t size) {
  touch_range<Access::WRITE>(memory, size, CALL);
}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}

// As laid out in the documentation of GCC's and Clang's sanitizers.
struct SourceLocation {
  const char *file;
  uint32_t line, column;
};
struct TypeDescriptor {
  uint16_t kind, info;
  char name[1];  // more follow
};
struct TypeMismatch {
  SourceLocation location;
  const TypeDescriptor *type;
  uint8_t log_alignment;
  uint8_t check;
};
struct OutOfBounds {
  SourceLocation location;
  const TypeDescriptor *array, *index;
};

void __ubsan_handle_type_mismatch_v1(TypeMismatch *data, uintptr_t) {
  if (!worker) return;
  worker->fault("an address of " + std::string(data->type->name) + " that is not a multiple of " +
                    std::to_string(1 << data->log_alignment),
                CALL);
}

void __ubsan_handle_out_of_bounds(OutOfBounds *data, uintptr_t index) {
  if (!worker) return;
  worker->fault("index " + std::to_string(static_cast<intptr_t>(index)) + " of " +
                    std::string(data->array->name),
                CALL);
}

void __ubsan_handle_divrem_overflow(void *, uintptr_t, uintptr_t) {
  if (worker) worker->fault("division by zero", CALL);
}

}  // extern "C"
