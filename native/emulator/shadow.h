// What is known of each byte of a block's shared memory: whether it lies in an array, whether it was written, and who touched
// it last, so that an access not ordered after another thread's can be told.
//
// Time in a block is a counter that every barrier moves on. An access leaves a stamp: time << 11 | thread. Whatever is stamped
// below `synced`, the time of the last barrier of the whole block, came before all that follows. Words that were only touched
// whole have one cell; a word touched in parts has one per byte.
#pragma once

#include <stdint.h>
#include <string.h>

#include <memory>

namespace fovea::emulator {

constexpr uint32_t ID_BITS = 11;
constexpr uint32_t ID = (1u << ID_BITS) - 1;
constexpr uint32_t LAST_TIME = (1u << (32 - ID_BITS)) - 2;

// In place of a thread: for a reader, several (Readers says which); for a writer, atomic operations.
constexpr uint32_t SEVERAL = 1024;
constexpr uint32_t ATOMICS = 1025;
// In place of a thread too, for what goes on beside threads: the writer of what a bulk copy brought; readers: bulk stores, the
// matrix unit of warp i.
constexpr uint32_t LANDED = 1026;
constexpr uint32_t STORES = 1027;
constexpr uint32_t UNIT = 1056;
constexpr uint32_t KNOWN = UNIT + 32;  // past the last

// In place of a writer's stamp; past every time.
constexpr uint32_t OUTSIDE = 0xffffffff;    // in no array
constexpr uint32_t IN_PARTS = 0xfffffffe;   // see the cells of the bytes
constexpr uint32_t IN_FLIGHT = 0xfffffffd;  // an asynchronous copy was sent here and has not landed
constexpr uint32_t SPECIAL = 0xfffffff0;    // the first of these

struct Cell {
  uint32_t writer = OUTSIDE;
  uint32_t reader = 0;  // the last, or SEVERAL
};

// The shared memory of any block that is allowed by any device (227 KiB), with room for gaps round arrays.
constexpr size_t SHARED_BYTES = size_t{256} << 10;

// Where the reader is SEVERAL.
struct Readers {
  uint32_t threads, units;  // a bit for each warp of which a thread, or the matrix unit, has read
  uint32_t when[32];        // by warp: the stamp of the last time, without the reader
};

struct Shadow {
  std::unique_ptr<Cell[]> words{new Cell[SHARED_BYTES / 4]};
  std::unique_ptr<Cell[]> bytes{new Cell[SHARED_BYTES]};
  // Large, and most of it never touched.
  std::unique_ptr<Readers[]> word_readers{new Readers[SHARED_BYTES / 4]};
  std::unique_ptr<Readers[]> byte_readers{new Readers[SHARED_BYTES]};
};

}  // namespace fovea::emulator
