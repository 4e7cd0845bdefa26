// Global memory of the emulated device: one reserved range of addresses, in which allocations lie with gaps between them, and
// beside it a byte for every 16 that says how many of them a kernel may touch.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <string>

namespace fovea::emulator {

struct Memory {
  static uintptr_t base;
  static size_t bytes;
  static const uint8_t *valid;  // of each 16 bytes: how many from the first are allocated

  // Of each 16 bytes: the launch that last wrote there. `complete` is the latest launch that has ended for sure when the
  // current one starts: those between may still be under way for a kernel that has not called pdl_wait.
  static uint16_t *written;
  static uint16_t launch, complete;
  static void begin_launch(bool overlap);
  static void complete_all() { complete = launch; }
  static bool pending(uint16_t writer) { return writer > complete && writer < launch; }
  static bool written_before(uintptr_t address, size_t size) {
    return pending(written[(address - base) >> 4]) ||
           pending(written[(address - base + size - 1) >> 4]);
  }
  static void note_written(uintptr_t address, size_t size) {
    written[(address - base) >> 4] = launch;
    written[(address - base + size - 1) >> 4] = launch;
  }

  // Of each two bytes: which block of a cooperative launch last wrote and read there, see together.h. Made when first needed.
  static std::atomic<uint64_t> *touched;
  static bool keep_touched();  // false: no room
  static void forget_touched();

  // Whether the address is global memory at all, allocated or not.
  static bool contains(uintptr_t address) { return address - base < bytes; }

  // Whether all of [address, address + size) is allocated; size <= 16 and the range contains the address.
  static bool allows(uintptr_t address, size_t size) {
    size_t offset = address - base;
    size_t last = (offset & 15) + size;
    if (last <= 16) return last <= valid[offset >> 4];
    return valid[offset >> 4] == 16 && last - 16 <= valid[(offset >> 4) + 1];
  }
  static bool allows_range(uintptr_t address, size_t size);

  static void *allocate(size_t bytes);  // nullptr: no room
  static bool free(void *memory);       // false: not a live allocation
  static void free_all();
  static int64_t live(int64_t *bytes);

  // Where an address lies, for an error line: "8 bytes past the end of an allocation of 1024 bytes".
  static std::string describe(uintptr_t address);
};

}  // namespace fovea::emulator
