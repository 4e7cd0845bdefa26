// How an access of the running thread is checked: shared memory against its shadow, global memory against its allocations.
#pragma once

#include <algorithm>

#include "emulator/memory.h"
#include "emulator/worker.h"

// Where in the kernel a function of the emulator was called from.
#define CALL __builtin_return_address(0)

namespace fovea::emulator {

enum class Access { READ, WRITE, ATOMIC, COPY };

inline const char *verb(Access access) {
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

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse(Access access, size_t size,
                                                          const std::string &where,
                                                          const void *call) {
  worker->fault(verb(access) + std::to_string(size) + " bytes " + where, call);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_global(Access access, uintptr_t address,
                                                                 size_t size, const void *call) {
  refuse(access, size, Memory::describe(address), call);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_shared(Access access, uint32_t offset,
                                                                 size_t size, const void *call) {
  refuse(access, size, worker->describe_shared(offset), call);
}

// ---- one cell ----

// Why the access to a cell is wrong.
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_cell(Worker &w, Access access,
                                                               const Cell &cell, bool by_reader,
                                                               uint32_t offset, uint32_t size,
                                                               const void *call) {
  if (cell.writer == OUTSIDE) refuse_shared(access, offset, size, call);
  std::string what = verb(access) + std::to_string(size) + " bytes " + w.describe_shared(offset);
  if (cell.writer == IN_FLIGHT) {
    for (auto &flight : w.flights) {
      if (offset - flight.box.shared < static_cast<uint32_t>(flight.box.bytes()))
        w.fault(what + ", where an asynchronous copy by " + w.describe_thread(flight.issuer) +
                    " has not landed: no mbarrier_wait since",
                call);
    }
    uint32_t owner = w.running->number;
    for (size_t i = 0; i < w.job->how.block.count(); i++) {
      for (auto &copy : w.threads[i].copies) {
        if (offset >= copy.to && offset < copy.to + copy.bytes) owner = w.threads[i].number;
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
                                      (cell.writer < SPECIAL && w.before(cell.writer, nullptr)));
}

// One reader more since the last barrier.
[[gnu::noinline]] inline void add_reader(const Worker &w, Cell &cell, Readers &readers,
                                         uint32_t id) {
  auto add = [&](uint32_t reader, uint32_t when) {
    uint32_t warp =
        reader >= UNIT ? reader - UNIT : (reader < MAX_THREADS ? reader : w.now & ID) / 32;
    uint32_t bit = 1u << warp;
    bool first = ((readers.threads | readers.units) & bit) == 0;
    readers.when[warp] = first ? when : std::max(readers.when[warp], when);
    (reader >= UNIT ? readers.units : readers.threads) |= bit;
  };
  uint32_t old = cell.reader & ID;
  if (old != SEVERAL) {
    if (w.before(cell.reader, nullptr)) {
      cell.reader = (w.now & ~ID) | id;
      return;
    }
    readers.threads = readers.units = 0;
    add(old, cell.reader & ~ID);
  }
  add(id, w.now & ~ID);
  cell.reader = (w.now & ~ID) | SEVERAL;
}

inline bool read_cell(const Worker &w, Cell &cell, Readers &readers) {
  if (!written_before(w, cell)) return false;
  if (cell.reader < w.synced || ((cell.reader ^ w.now) & ID) == 0)
    cell.reader = w.now;
  else
    add_reader(w, cell, readers, w.now & ID);
  return true;
}

// Whether the running thread may write there; by_reader: because of whom not.
inline bool may_write(const Worker &w, const Cell &cell, const Readers &readers, bool &by_reader) {
  if (cell.writer >= w.started && !written_before(w, cell)) return false;
  by_reader = cell.reader >= w.synced && ((cell.reader ^ w.now) & ID) != 0 &&
              !w.before(cell.reader, &readers);
  return !by_reader;
}

template <Access ACCESS>
inline bool touch_cell(const Worker &w, Cell &cell, Readers &readers, bool &by_reader) {
  if constexpr (ACCESS == Access::READ) return read_cell(w, cell, readers);
  if constexpr (ACCESS == Access::ATOMIC) {
    if (cell.writer < w.started) return false;
    bool after_atomics = cell.writer < SPECIAL && (cell.writer & ID) == ATOMICS;
    if (after_atomics ? cell.reader >= w.synced && !w.before(cell.reader, &readers)
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

inline bool same_readers(const Readers &a, const Readers &b) {
  if (a.threads != b.threads || a.units != b.units) return false;
  for (uint32_t left = a.threads | a.units; left; left &= left - 1) {
    if (a.when[std::countr_zero(left)] != b.when[std::countr_zero(left)]) return false;
  }
  return true;
}

// Gives the word one cell again if its bytes have the same story.
inline void gather(Worker &w, uint32_t word) {
  const Cell *bytes = &w.shadow.bytes[word * 4];
  const Readers *readers = &w.shadow.byte_readers[word * 4];
  Cell whole = bytes[0];
  bool several = (whole.reader & ID) == SEVERAL;
  for (int i = 1; i < 4; i++) {
    if (bytes[i].reader != whole.reader) return;
    if (several && !same_readers(readers[i], readers[0])) return;
    if (bytes[i].writer != whole.writer) {
      // Different, but each of them before all that follows.
      if (bytes[i].writer >= w.synced || whole.writer >= w.synced) return;
      whole.writer = std::max(whole.writer, bytes[i].writer);
    }
  }
  w.shadow.words[word] = whole;
  if (several) w.shadow.word_readers[word] = readers[0];
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
      if ((w.shadow.words[word].reader & ID) == SEVERAL)
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

// ---- readers beside threads: matrix units and bulk stores ----

// Checks a word that something of id `reader` reads on behalf of the running thread, and notes it.
template <Access ACCESS>
inline void read_beside(Worker &w, uint32_t word, uint32_t reader, const void *call) {
  if (word >= SHARED_BYTES / 4) refuse_shared(ACCESS, word * 4, 4, call);
  if (w.shadow.words[word].writer == IN_PARTS) touch_parts<ACCESS>(w, word, call);
  Cell &cell = w.shadow.words[word];
  if (cell.writer == IN_PARTS)
    w.fault("a matrix unit or bulk store reads " + w.describe_shared(word * 4) +
                ", a word that threads wrote in parts with no barrier since",
            call);
  if (!written_before(w, cell)) refuse_cell(w, ACCESS, cell, false, word * 4, 4, call);
  uint32_t writer = cell.writer & ID;
  if (writer < MAX_THREADS && cell.writer >= w.threads[writer].fenced)
    w.fault("a matrix unit or bulk store reads " + w.describe_shared(word * 4) + ", which " +
                w.describe_thread(cell.writer) + " wrote with no async_fence since",
            call);
  if (cell.reader < w.synced || (cell.reader & ID) == reader)
    cell.reader = (w.now & ~ID) | reader;
  else
    add_reader(w, cell, w.shadow.word_readers[word], reader);
}

// ---- global memory ----

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_early(Access access, uintptr_t address,
                                                                size_t size, const void *call) {
  refuse(access, size,
         Memory::describe(address) +
             (access == Access::READ ? ", which a kernel before this one wrote, before pdl_wait"
                                     : " before pdl_wait, while kernels before this one may run"),
         call);
}

// In a cooperative launch: holds the access to the order that barriers of the grid make.
void touch_together(const Worker &w, Access access, uintptr_t address, size_t size,
                    const void *call);

// Global memory, of which all was found to be allocated.
template <Access ACCESS>
inline void touch_global(const Worker &w, uintptr_t address, size_t size, const void *call) {
  if (w.early && (ACCESS != Access::READ || Memory::written_before(address, size))) [[unlikely]]
    refuse_early(ACCESS, address, size, call);
  if (ACCESS != Access::READ) Memory::note_written(address, size);
  if (w.member.all) [[unlikely]]
    touch_together(w, ACCESS, address, size, call);
}

inline void check_aligned(const void *memory, size_t alignment, const char *what,
                          const void *call) {
  if (reinterpret_cast<uintptr_t>(memory) % alignment)
    worker->fault(
        std::string(what) + " an address that is not a multiple of " + std::to_string(alignment),
        call);
}

}  // namespace fovea::emulator
