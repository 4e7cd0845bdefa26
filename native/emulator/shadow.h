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

// In place of a thread: for a reader, threads of several warps or several of one (Shadow says of which warps); for a writer,
// atomic operations.
constexpr uint32_t SEVERAL = 1024;
constexpr uint32_t ATOMICS = 1025;

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

struct Shadow {
  std::unique_ptr<Cell[]> words{new Cell[SHARED_BYTES / 4]};
  std::unique_ptr<Cell[]> bytes{new Cell[SHARED_BYTES]};
  // Where the reader is SEVERAL: a bit for each warp that has one.
  std::unique_ptr<uint32_t[]> word_readers{new uint32_t[SHARED_BYTES / 4]};
  std::unique_ptr<uint32_t[]> byte_readers{new uint32_t[SHARED_BYTES]};
};

}  // namespace fovea::emulator
