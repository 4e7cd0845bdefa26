// Every load and store of a kernel comes by here first: the kernels are compiled with the instrumentation of ThreadSanitizer
// and of the alignment, bounds and division checks of UndefinedBehaviorSanitizer, but not linked with their libraries. The
// functions that instrumented code calls are defined below.

#include "emulator/access.h"

#include <link.h>
#include <string.h>

#include <algorithm>

namespace fovea::emulator {

namespace {

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

// The region of the worker past shared memory: locals of the thread, and the params of the kernel, which nobody writes.
template <Access ACCESS>
inline void touch_own(const Worker &w, uintptr_t address, const void *call) {
  if (w.in_own_stack(address)) return;
  if (ACCESS == Access::READ && w.offset(address) < SHARED_BYTES + Worker::PARAMS_BYTES) return;
  worker->fault(std::string(verb(ACCESS)) + "a local variable of another thread, or a param", call);
}

template <Access ACCESS, uint32_t SIZE>
inline void touch(const void *memory, const void *call) {
  if (!worker) return;  // the host, in a file of kernels
  Worker &w = *worker;
  auto address = reinterpret_cast<uintptr_t>(memory);
  if (w.in_shared(address)) return touch_shared<ACCESS, SIZE>(w, w.offset(address), call);
  if (w.in_region(address)) return touch_own<ACCESS>(w, address, call);
  if (Memory::contains(address)) {
    if (!Memory::allows(address, SIZE)) [[unlikely]]
      refuse_global(ACCESS, address, SIZE, call);
    return touch_global<ACCESS>(w, address, SIZE, call);
  }
  foreign(ACCESS, address, SIZE, call);
}

template <Access ACCESS>
void touch_range(const void *memory, size_t size, const void *call) {
  if (!worker || size == 0) return;
  Worker &w = *worker;
  auto address = reinterpret_cast<uintptr_t>(memory);
  if (w.in_shared(address)) return touch_shared<ACCESS>(w, w.offset(address), size, call);
  if (w.in_region(address)) return touch_own<ACCESS>(w, address, call);
  if (Memory::contains(address)) {
    if (!Memory::allows_range(address, size)) refuse_global(ACCESS, address, size, call);
    for (size_t i = 0; i < size; i += 16)
      touch_global<ACCESS>(w, address + i, std::min(size - i, size_t{16}), call);
    return;
  }
  foreign(ACCESS, address, size, call);
}

}  // namespace

namespace {

// Of a cooperative launch: what blocks hear of each other and the operation are one.
struct Hearing {
  explicit Hearing(const void *memory) {
    if (!worker || !worker->member.all) return;
    lock = std::unique_lock(worker->member.all->mutex);
    hear_atomic(worker->member, memory);
  }
  std::unique_lock<std::mutex> lock;
};

}  // namespace

// ---- atomic operations: whole words, of any memory; blocks on other OS threads see them as one ----

uint32_t atomic(Atomic how, void *memory, uint32_t operand) {
  check_aligned(memory, 4, "updates", CALL);
  touch<Access::ATOMIC, 4>(memory, CALL);
  Hearing hearing(memory);
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
  Hearing hearing(memory);
  __atomic_compare_exchange_n(static_cast<uint32_t *>(memory), &expected, value, false,
                              __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

void fence() {
  if (worker && worker->member.all) hear_fence(worker->member);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// Between blocks these are an atomic operation with a fence after or before it.
int acquire(const int *global) {
  check_aligned(global, 4, "reads", CALL);
  bool together = worker->member.all;
  if (together)
    touch<Access::ATOMIC, 4>(global, CALL);
  else
    touch<Access::READ, 4>(global, CALL);
  int value;
  {
    Hearing hearing(global);
    value = __atomic_load_n(global, __ATOMIC_ACQUIRE);
  }
  if (together) hear_fence(worker->member);
  return value;
}

void release(int *global, int value) {
  check_aligned(global, 4, "writes", CALL);
  if (worker->member.all) {
    touch<Access::ATOMIC, 4>(global, CALL);
    hear_fence(worker->member);
  } else {
    touch<Access::WRITE, 4>(global, CALL);
  }
  Hearing hearing(global);
  __atomic_store_n(global, value, __ATOMIC_RELEASE);
}

// What nobody may write while the kernel runs.
Words4 load_stream(const void *global) {
  check_aligned(global, 16, "reads", CALL);
  auto address = reinterpret_cast<uintptr_t>(global);
  const Worker &w = *worker;
  if (!Memory::contains(address) || !Memory::allows(address, 16)) [[unlikely]] {
    touch<Access::READ, 16>(global,
                            CALL);  // says what is wrong, or that it is another kind of memory
  } else {
    if (w.early && Memory::written_before(address, 16))
      refuse_early(Access::READ, address, 16, CALL);
    if (Memory::written[(address - Memory::base) >> 4] == Memory::launch ||
        Memory::written[(address - Memory::base + 15) >> 4] == Memory::launch)
      refuse(Access::READ, 16,
             Memory::describe(address) + " by load_stream16, which this kernel has written", CALL);
  }
  Words4 v;
  memcpy(&v, global, 16);
  return v;
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
    touch_global<Access::READ>(w, from, static_cast<size_t>(bytes), CALL);
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
  Request &r = w.request();
  r.word = transposed;
  r.lane = count;
  r.address = row;
  return w.join_whole(LOAD_MATRICES[transposed][count == 4], CALL).a;
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
