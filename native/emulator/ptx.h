// The functions of cuda/ptx.cuh in C++.
#pragma once

#include "cuda/tensor_map.h"
#include "emulator/device.h"
#include "src/cpu/half.h"

namespace fovea::emulator {

// Operands of the matrix instructions travel in registers, so that the fragments of a kernel need not lie in memory, where
// each access would be looked at.
typedef float Floats4 __attribute__((vector_size(16)));
typedef int Ints4 __attribute__((vector_size(16)));
typedef uint32_t Words4 __attribute__((vector_size(16)));

Floats4 mma_f16(Floats4 d, Words4 a, uint64_t b);
Floats4 mma_bf16(Floats4 d, Words4 a, uint64_t b);
Floats4 mma_tf32(Floats4 d, Words4 a, uint64_t b);
Ints4 mma_s8(Ints4 d, Words4 a, uint64_t b);

// `count` matrices; lanes 8 * count and up name no row.
Words4 load_matrices(int count, bool transposed, const void *row);

void copy_async(void *shared, const void *global, int bytes, bool valid);
void copy_commit();
void copy_wait(int groups);

Words4 load_stream(const void *global);
int acquire(const int *global);
void release(int *global, int value);
uint32_t shared_offset(const void *shared);
void wait_for_kernels_before();

void part_barrier(int number, int threads, bool waits);
void memory_barrier_init(uint64_t *barrier, int count);
void memory_barrier_made();
void memory_barrier_arrive(uint64_t *barrier, int bytes);
void memory_barrier_wait(uint64_t *barrier, int parity);
void fence_for_copies();
void load_bulk(void *shared, const void *global, int bytes, uint64_t *barrier);
void load_box(void *shared, const TensorMap *map, int column, int row, uint64_t *barrier);
void store_bulk(void *global, const void *shared, int bytes);
void store_box(const TensorMap *map, int column, int row, const void *shared);
void store_commit();
void store_wait(int groups);
void change_registers(int count, bool more);

enum class Half { F16, BF16 };
void wgmma(Half type, int columns, float *d, uint64_t a, uint64_t b, bool add);
void products_fence();
void products_commit();
void products_wait(int groups);

}  // namespace fovea::emulator

// ---- halves ----

FOVEA_DEVICE float f16_to_f32(uint16_t h) { return ::fovea::from_half(h); }
FOVEA_DEVICE uint16_t f32_to_f16(float f) { return ::fovea::to_half(f); }
FOVEA_DEVICE uint32_t pack_f16(float lo, float hi) {
  return f32_to_f16(lo) | static_cast<uint32_t>(f32_to_f16(hi)) << 16;
}
FOVEA_DEVICE float2 unpack_f16(uint32_t pair) {
  return {f16_to_f32(static_cast<uint16_t>(pair)), f16_to_f32(static_cast<uint16_t>(pair >> 16))};
}
FOVEA_DEVICE float bf16_to_f32(uint16_t h) { return ::fovea::from_bfloat(h); }
FOVEA_DEVICE uint16_t f32_to_bf16(float f) { return ::fovea::to_bfloat(f); }
FOVEA_DEVICE uint32_t pack_bf16(float lo, float hi) {
  return f32_to_bf16(lo) | static_cast<uint32_t>(f32_to_bf16(hi)) << 16;
}
FOVEA_DEVICE float2 unpack_bf16(uint32_t pair) {
  return {bf16_to_f32(static_cast<uint16_t>(pair)), bf16_to_f32(static_cast<uint16_t>(pair >> 16))};
}

// Sums and products of two halves are exact in binary32 or so far apart that rounding twice changes nothing.
FOVEA_DEVICE uint32_t f16x2_add(uint32_t a, uint32_t b) {
  float2 x = unpack_f16(a), y = unpack_f16(b);
  return pack_f16(x.x + y.x, x.y + y.y);
}
FOVEA_DEVICE uint32_t f16x2_sub(uint32_t a, uint32_t b) {
  float2 x = unpack_f16(a), y = unpack_f16(b);
  return pack_f16(x.x - y.x, x.y - y.y);
}
FOVEA_DEVICE uint32_t f16x2_mul(uint32_t a, uint32_t b) {
  float2 x = unpack_f16(a), y = unpack_f16(b);
  return pack_f16(x.x * y.x, x.y * y.y);
}

namespace fovea::emulator {

// To binary32 so that rounding it again to half (or bfloat) gives what one rounding would: the last bit says whether any
// behind it was set.
FOVEA_DEVICE float rounded_to_odd(double v) {
  auto f = static_cast<float>(v);
  if (static_cast<double>(f) == v || f - f != 0) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if (fabs(static_cast<double>(f)) > fabs(v)) bits--;
  return std::bit_cast<float>(bits | 1);
}

// The product of two halves is exact in binary64; the sum is, or one of the two is too small to matter but for its sign.
FOVEA_DEVICE float multiply_add(float a, float b, float c) {
  return rounded_to_odd(static_cast<double>(a) * b + c);
}

}  // namespace fovea::emulator

FOVEA_DEVICE uint32_t f16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  float2 x = unpack_f16(a), y = unpack_f16(b), z = unpack_f16(c);
  return pack_f16(::fovea::emulator::multiply_add(x.x, y.x, z.x),
                  ::fovea::emulator::multiply_add(x.y, y.y, z.y));
}
FOVEA_DEVICE uint32_t bf16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  float2 x = unpack_bf16(a), y = unpack_bf16(b), z = unpack_bf16(c);
  return pack_bf16(::fovea::emulator::multiply_add(x.x, y.x, z.x),
                   ::fovea::emulator::multiply_add(x.y, y.y, z.y));
}

// ---- numbers ----

FOVEA_DEVICE uint32_t f32_to_tf32(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & ~0x1fffu;
}
FOVEA_DEVICE float exp2_approx(float x) {
  float y = exp2f(x);
  return y < 0x1p-126f ? 0.0f : y;
}
FOVEA_DEVICE int dp4a(int a, int b, int c) {
  int d = c;
  for (int i = 0; i < 32; i += 8) d += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return d;
}
FOVEA_DEVICE int dp4a_us(uint32_t a, int b, int c) {
  int d = c;
  for (int i = 0; i < 32; i += 8) d += static_cast<uint8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return d;
}
template <int LUT>
FOVEA_DEVICE uint32_t lop3(uint32_t a, uint32_t b, uint32_t c) {
  static_assert(LUT >= 0 && LUT < 256);
  uint32_t d = 0;
  for (int i = 0; i < 8; i++) {
    if (LUT >> i & 1) d |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  }
  return d;
}
FOVEA_DEVICE uint32_t prmt(uint32_t a, uint32_t b, uint32_t sel) {
  uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t d = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t digit = sel >> 4 * i & 15;
    auto byte = static_cast<uint8_t>(bytes >> 8 * (digit & 7));
    if (digit & 8) byte = byte & 0x80 ? 0xff : 0;
    d |= static_cast<uint32_t>(byte) << 8 * i;
  }
  return d;
}

// ---- matrices ----

FOVEA_DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  using namespace ::fovea::emulator;
  Floats4 r =
      ::fovea::emulator::mma_f16(Floats4{d[0], d[1], d[2], d[3]}, Words4{a[0], a[1], a[2], a[3]},
                                 b[0] | static_cast<uint64_t>(b[1]) << 32);
  for (int i = 0; i < 4; i++) d[i] = r[i];
}
FOVEA_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  using namespace ::fovea::emulator;
  Floats4 r =
      ::fovea::emulator::mma_bf16(Floats4{d[0], d[1], d[2], d[3]}, Words4{a[0], a[1], a[2], a[3]},
                                  b[0] | static_cast<uint64_t>(b[1]) << 32);
  for (int i = 0; i < 4; i++) d[i] = r[i];
}
FOVEA_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  using namespace ::fovea::emulator;
  Floats4 r =
      ::fovea::emulator::mma_tf32(Floats4{d[0], d[1], d[2], d[3]}, Words4{a[0], a[1], a[2], a[3]},
                                  b[0] | static_cast<uint64_t>(b[1]) << 32);
  for (int i = 0; i < 4; i++) d[i] = r[i];
}
FOVEA_DEVICE void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  using namespace ::fovea::emulator;
  Ints4 r = ::fovea::emulator::mma_s8(Ints4{d[0], d[1], d[2], d[3]}, Words4{a[0], a[1], a[2], a[3]},
                                      b[0] | static_cast<uint64_t>(b[1]) << 32);
  for (int i = 0; i < 4; i++) d[i] = r[i];
}

// ---- shared memory ----

FOVEA_DEVICE uint32_t shared_address(const void *shared) {
  return ::fovea::emulator::shared_offset(shared);
}
FOVEA_DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void *shared) {
  auto w = ::fovea::emulator::load_matrices(4, false, shared);
  for (int i = 0; i < 4; i++) r[i] = w[i];
}
FOVEA_DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void *shared) {
  auto w = ::fovea::emulator::load_matrices(2, false, shared);
  for (int i = 0; i < 2; i++) r[i] = w[i];
}
FOVEA_DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void *shared) {
  auto w = ::fovea::emulator::load_matrices(4, true, shared);
  for (int i = 0; i < 4; i++) r[i] = w[i];
}
FOVEA_DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void *shared) {
  auto w = ::fovea::emulator::load_matrices(2, true, shared);
  for (int i = 0; i < 2; i++) r[i] = w[i];
}
FOVEA_DEVICE void cp_async16(void *shared, const void *global, bool valid = true) {
  ::fovea::emulator::copy_async(shared, global, 16, valid);
}
FOVEA_DEVICE void cp_async8(void *shared, const void *global, bool valid = true) {
  ::fovea::emulator::copy_async(shared, global, 8, valid);
}
FOVEA_DEVICE void cp_async4(void *shared, const void *global, bool valid = true) {
  ::fovea::emulator::copy_async(shared, global, 4, valid);
}
FOVEA_DEVICE void cp_async_commit() { ::fovea::emulator::copy_commit(); }
template <int N>
FOVEA_DEVICE void cp_async_wait() {
  ::fovea::emulator::copy_wait(N);
}

// ---- global memory ----

FOVEA_DEVICE uint4 load_stream16(const void *global) {
  auto v = ::fovea::emulator::load_stream(global);
  return {v[0], v[1], v[2], v[3]};
}
FOVEA_DEVICE int load_acquire(const int *global) { return ::fovea::emulator::acquire(global); }
FOVEA_DEVICE void store_release(int *global, int v) { ::fovea::emulator::release(global, v); }

// ---- the kernel before and the kernel after ----
// Kernels run one after the other here; but one that was launched to overlap is held to what it may do before pdl_wait.

FOVEA_DEVICE void pdl_wait() { ::fovea::emulator::wait_for_kernels_before(); }
FOVEA_DEVICE void pdl_launch() {}

// ---- barriers of the grid ----
// The emulator counts by itself.

FOVEA_DEVICE uint32_t grid_arrive(uint32_t *counter) {
  ::fovea::emulator::grid_arrive(counter);
  return 0;
}
FOVEA_DEVICE void grid_wait(const uint32_t *counter, uint32_t) {
  ::fovea::emulator::grid_wait(counter);
}

// ---- barriers of some threads of a block ----

FOVEA_DEVICE void part_barrier_sync(int number, int threads) {
  ::fovea::emulator::part_barrier(number, threads, true);
}
FOVEA_DEVICE void part_barrier_arrive(int number, int threads) {
  ::fovea::emulator::part_barrier(number, threads, false);
}

// ---- 9.0 and later ----

FOVEA_DEVICE void mbarrier_init(uint64_t *barrier, int count) {
  ::fovea::emulator::memory_barrier_init(barrier, count);
}
FOVEA_DEVICE void mbarrier_made() { ::fovea::emulator::memory_barrier_made(); }
FOVEA_DEVICE void mbarrier_arrive(uint64_t *barrier) {
  ::fovea::emulator::memory_barrier_arrive(barrier, 0);
}
FOVEA_DEVICE void mbarrier_expect(uint64_t *barrier, int bytes) {
  ::fovea::emulator::memory_barrier_arrive(barrier, bytes);
}
FOVEA_DEVICE void mbarrier_wait(uint64_t *barrier, int parity) {
  ::fovea::emulator::memory_barrier_wait(barrier, parity);
}
FOVEA_DEVICE void async_fence() { ::fovea::emulator::fence_for_copies(); }
FOVEA_DEVICE void bulk_load(void *shared, const void *global, int bytes, uint64_t *barrier) {
  ::fovea::emulator::load_bulk(shared, global, bytes, barrier);
}
FOVEA_DEVICE void tma_load_2d(void *shared, const TensorMap *map, int column, int row,
                              uint64_t *barrier) {
  ::fovea::emulator::load_box(shared, map, column, row, barrier);
}
FOVEA_DEVICE void tma_store_2d(const TensorMap *map, int column, int row, const void *shared) {
  ::fovea::emulator::store_box(map, column, row, shared);
}
FOVEA_DEVICE void bulk_store(void *global, const void *shared, int bytes) {
  ::fovea::emulator::store_bulk(global, shared, bytes);
}
FOVEA_DEVICE void bulk_commit() { ::fovea::emulator::store_commit(); }
template <int N>
FOVEA_DEVICE void bulk_wait_read() {
  ::fovea::emulator::store_wait(N);
}
FOVEA_DEVICE void tensor_map_prefetch(const TensorMap *) {}
template <int N>
FOVEA_DEVICE void registers_give() {
  static_assert(N >= 24 && N <= 240 && N % 8 == 0);
  ::fovea::emulator::change_registers(N, false);
}
template <int N>
FOVEA_DEVICE void registers_take() {
  static_assert(N >= 24 && N <= 240 && N % 8 == 0);
  ::fovea::emulator::change_registers(N, true);
}
FOVEA_DEVICE void wgmma_fence() { ::fovea::emulator::products_fence(); }
FOVEA_DEVICE void wgmma_commit() { ::fovea::emulator::products_commit(); }
template <int N>
FOVEA_DEVICE void wgmma_wait() {
  ::fovea::emulator::products_wait(N);
}
template <int N>
FOVEA_DEVICE void wgmma_f16(float (&d)[N / 2], uint64_t a_rows, uint64_t b_columns, bool add_to) {
  static_assert(N == 64 || N == 128 || N == 256);
  ::fovea::emulator::wgmma(::fovea::emulator::Half::F16, N, d, a_rows, b_columns, add_to);
}
template <int N>
FOVEA_DEVICE void wgmma_bf16(float (&d)[N / 2], uint64_t a_rows, uint64_t b_columns, bool add_to) {
  static_assert(N == 64 || N == 128 || N == 256);
  ::fovea::emulator::wgmma(::fovea::emulator::Half::BF16, N, d, a_rows, b_columns, add_to);
}
