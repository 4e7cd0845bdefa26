// CUDA C++ as the kernels use it, for a host compiler: the other half of cuda/kernel.cuh. Kernels compiled against this, with
// the flags of fovea_emulate() in CMakeLists.txt, run on fibers under native/emulator.
//
// Threads of a block run one at a time, in random order, each until it has to wait for others; warps do not run in step.
// Every load and store is checked (see access.cpp).
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <bit>

#include "emulator/driver.h"

#define FOVEA_DEVICE inline __attribute__((always_inline))

#define FOVEA_KERNEL(name, Params, threads)                                    \
  static_assert(sizeof(Params) <= 4096 && alignof(Params) <= 128);             \
  [[gnu::noinline]] static void name(const Params &p);                         \
  static const ::fovea::emulator::Function name##_function{                    \
      #name, sizeof(Params), threads,                                          \
      [](const void *params) { name(*static_cast<const Params *>(params)); }}; \
  static void name([[maybe_unused]] const Params &p)

#define FOVEA_SHARED(T, name, count)                                                               \
  static constexpr ::fovea::emulator::SharedArray name##_array{#name, sizeof(T) * (count),         \
                                                               alignof(T) < 16 ? 16 : alignof(T)}; \
  T(&name)[count] = *static_cast<T(*)[count]>(::fovea::emulator::shared_array(name##_array))

#define FOVEA_SHARED_BYTES(name) \
  uint8_t *const name = static_cast<uint8_t *>(::fovea::emulator::dynamic_shared())

// ---- types ----

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

FOVEA_DEVICE float2 make_float2(float x, float y) { return {x, y}; }
FOVEA_DEVICE float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
FOVEA_DEVICE int2 make_int2(int x, int y) { return {x, y}; }
FOVEA_DEVICE int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
FOVEA_DEVICE uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
FOVEA_DEVICE uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

// ---- what the emulator does for a thread ----

namespace fovea::emulator {

struct SharedArray {
  const char *name;
  size_t bytes;
  size_t alignment;
};
void *shared_array(const SharedArray &array);
void *dynamic_shared();

// Const: the same however often a thread asks.
[[gnu::const]] uint3 thread_index() noexcept;
[[gnu::const]] uint3 block_index() noexcept;
[[gnu::const]] dim3 block_extent() noexcept;
[[gnu::const]] dim3 grid_extent() noexcept;

void block_barrier(const char *file, int line);
void warp_barrier(uint32_t mask);
enum class Shuffle { TO, XOR, UP, DOWN };
uint32_t shuffle(Shuffle how, uint32_t mask, uint32_t value, int lane, int width);
uint32_t ballot(uint32_t mask, bool predicate);

enum class Atomic { ADD, ADD_FLOAT, MAX, MAX_UNSIGNED, MIN, MIN_UNSIGNED, AND, OR, EXCHANGE };
uint32_t atomic(Atomic how, void *memory, uint32_t operand);
uint32_t atomic_exchange_if(void *memory, uint32_t expected, uint32_t value);
void fence();
void grid_arrive(const uint32_t *counter);
void grid_wait(const uint32_t *counter);

}  // namespace fovea::emulator

// ---- builtins ----

#define threadIdx (::fovea::emulator::thread_index())
#define blockIdx (::fovea::emulator::block_index())
#define blockDim (::fovea::emulator::block_extent())
#define gridDim (::fovea::emulator::grid_extent())

// The line goes along so that barriers in two branches stay two: a compiler may make one call of equal ones.
FOVEA_DEVICE void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::fovea::emulator::block_barrier(file, line);
}
FOVEA_DEVICE void __syncwarp(uint32_t mask = 0xffffffffu) { ::fovea::emulator::warp_barrier(mask); }

namespace fovea::emulator {

template <class T>
FOVEA_DEVICE T shuffled(Shuffle how, uint32_t mask, T value, int lane, int width) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(shuffle(how, mask, std::bit_cast<uint32_t>(value), lane, width));
  } else {
    auto bits = std::bit_cast<uint64_t>(value);
    uint64_t lo = shuffle(how, mask, static_cast<uint32_t>(bits), lane, width);
    uint64_t hi = shuffle(how, mask, static_cast<uint32_t>(bits >> 32), lane, width);
    return std::bit_cast<T>(lo | hi << 32);
  }
}

}  // namespace fovea::emulator

template <class T>
FOVEA_DEVICE T __shfl_sync(uint32_t mask, T value, int lane, int width = 32) {
  return ::fovea::emulator::shuffled(::fovea::emulator::Shuffle::TO, mask, value, lane, width);
}
template <class T>
FOVEA_DEVICE T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32) {
  return ::fovea::emulator::shuffled(::fovea::emulator::Shuffle::XOR, mask, value, lanes, width);
}
template <class T>
FOVEA_DEVICE T __shfl_up_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
  return ::fovea::emulator::shuffled(::fovea::emulator::Shuffle::UP, mask, value,
                                     static_cast<int>(lanes), width);
}
template <class T>
FOVEA_DEVICE T __shfl_down_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
  return ::fovea::emulator::shuffled(::fovea::emulator::Shuffle::DOWN, mask, value,
                                     static_cast<int>(lanes), width);
}
FOVEA_DEVICE unsigned __ballot_sync(uint32_t mask, int predicate) {
  return ::fovea::emulator::ballot(mask, predicate != 0);
}
FOVEA_DEVICE int __any_sync(uint32_t mask, int predicate) {
  return ::fovea::emulator::ballot(mask, predicate != 0) != 0;
}
FOVEA_DEVICE int __all_sync(uint32_t mask, int predicate) {
  return ::fovea::emulator::ballot(mask, predicate == 0) == 0;
}

FOVEA_DEVICE int atomicAdd(int *a, int v) {
  using namespace ::fovea::emulator;
  return static_cast<int>(atomic(Atomic::ADD, a, static_cast<uint32_t>(v)));
}
FOVEA_DEVICE unsigned atomicAdd(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::ADD, a, v);
}
FOVEA_DEVICE float atomicAdd(float *a, float v) {
  using namespace ::fovea::emulator;
  return std::bit_cast<float>(atomic(Atomic::ADD_FLOAT, a, std::bit_cast<uint32_t>(v)));
}
FOVEA_DEVICE int atomicMax(int *a, int v) {
  using namespace ::fovea::emulator;
  return static_cast<int>(atomic(Atomic::MAX, a, static_cast<uint32_t>(v)));
}
FOVEA_DEVICE unsigned atomicMax(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::MAX_UNSIGNED, a, v);
}
FOVEA_DEVICE int atomicMin(int *a, int v) {
  using namespace ::fovea::emulator;
  return static_cast<int>(atomic(Atomic::MIN, a, static_cast<uint32_t>(v)));
}
FOVEA_DEVICE unsigned atomicMin(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::MIN_UNSIGNED, a, v);
}
FOVEA_DEVICE unsigned atomicAnd(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::AND, a, v);
}
FOVEA_DEVICE unsigned atomicOr(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::OR, a, v);
}
FOVEA_DEVICE int atomicExch(int *a, int v) {
  using namespace ::fovea::emulator;
  return static_cast<int>(atomic(Atomic::EXCHANGE, a, static_cast<uint32_t>(v)));
}
FOVEA_DEVICE unsigned atomicExch(unsigned *a, unsigned v) {
  return ::fovea::emulator::atomic(::fovea::emulator::Atomic::EXCHANGE, a, v);
}
FOVEA_DEVICE int atomicCAS(int *a, int expected, int v) {
  return static_cast<int>(::fovea::emulator::atomic_exchange_if(a, static_cast<uint32_t>(expected),
                                                                static_cast<uint32_t>(v)));
}
FOVEA_DEVICE unsigned atomicCAS(unsigned *a, unsigned expected, unsigned v) {
  return ::fovea::emulator::atomic_exchange_if(a, expected, v);
}
FOVEA_DEVICE void __threadfence() { ::fovea::emulator::fence(); }
FOVEA_DEVICE void __threadfence_block() { ::fovea::emulator::fence(); }

FOVEA_DEVICE float rsqrtf(float x) { return 1.0f / sqrtf(x); }

namespace fovea::emulator {

// sin(pi x) for |x| <= 1/2.
FOVEA_DEVICE double small_sinpi(double x) { return sin(3.14159265358979323846 * x); }

}  // namespace fovea::emulator

// sin and cos of pi x, exact where they are 0 and 1.
FOVEA_DEVICE void sincospif(float x, float *sine, float *cosine) {
  using ::fovea::emulator::small_sinpi;
  double r = remainder(static_cast<double>(x), 2.0), size = fabs(r);  // |r| <= 1
  *sine = static_cast<float>(copysign(small_sinpi(size > 0.5 ? 1 - size : size), r));
  *cosine = static_cast<float>(small_sinpi(0.5 - size));
}
FOVEA_DEVICE float sinpif(float x) {
  float sine, cosine;
  sincospif(x, &sine, &cosine);
  return sine;
}
FOVEA_DEVICE float cospif(float x) {
  float sine, cosine;
  sincospif(x, &sine, &cosine);
  return cosine;
}
FOVEA_DEVICE int __float_as_int(float f) { return std::bit_cast<int>(f); }
FOVEA_DEVICE unsigned __float_as_uint(float f) { return std::bit_cast<unsigned>(f); }
FOVEA_DEVICE float __int_as_float(int i) { return std::bit_cast<float>(i); }
FOVEA_DEVICE float __uint_as_float(unsigned i) { return std::bit_cast<float>(i); }
FOVEA_DEVICE int __clz(int i) { return std::countl_zero(static_cast<unsigned>(i)); }
FOVEA_DEVICE int __popc(unsigned i) { return std::popcount(i); }
FOVEA_DEVICE uint64_t __umul64hi(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}
FOVEA_DEVICE int __ffs(int i) { return __builtin_ffs(i); }

#define FOVEA_EXTREMES(T)                                \
  FOVEA_DEVICE T min(T a, T b) { return b < a ? b : a; } \
  FOVEA_DEVICE T max(T a, T b) { return a < b ? b : a; }
FOVEA_EXTREMES(int)
FOVEA_EXTREMES(unsigned)
FOVEA_EXTREMES(long)
FOVEA_EXTREMES(unsigned long)
FOVEA_EXTREMES(long long)
FOVEA_EXTREMES(unsigned long long)
#undef FOVEA_EXTREMES
FOVEA_DEVICE float min(float a, float b) { return fminf(a, b); }
FOVEA_DEVICE float max(float a, float b) { return fmaxf(a, b); }
