// What only PTX can say: conversions and arithmetic on packed halves, matrix instructions, copies past the registers. All of
// the project's inline PTX lies here, each instruction as a plain function, so that native/emulator/ptx.h can stand in for
// it; whoever adds one adds both sides. Shapes and fragment layouts are those of the PTX ISA, section 9.7.
//
// A half is a uint16_t, a pair of halves a uint32_t with the first in the low bits.
#pragma once

#include <stdint.h>

#include "cuda/tensor_map.h"

#if defined(FOVEA_EMULATOR)
#include "emulator/ptx.h"
#else

// ---- halves ----

FOVEA_DEVICE float f16_to_f32(uint16_t h) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
  return f;
}

// To nearest even, as everything here that rounds.
FOVEA_DEVICE uint16_t f32_to_f16(float f) {
  uint16_t h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
  return h;
}

FOVEA_DEVICE uint32_t pack_f16(float lo, float hi) {
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(hi), "f"(lo));
  return pair;
}

FOVEA_DEVICE float2 unpack_f16(uint32_t pair) {
  return make_float2(f16_to_f32(static_cast<uint16_t>(pair)),
                     f16_to_f32(static_cast<uint16_t>(pair >> 16)));
}

FOVEA_DEVICE float bf16_to_f32(uint16_t h) {
  return __uint_as_float(static_cast<uint32_t>(h) << 16);
}

FOVEA_DEVICE uint16_t f32_to_bf16(float f) {
  uint16_t h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
  return h;
}

FOVEA_DEVICE uint32_t pack_bf16(float lo, float hi) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(hi), "f"(lo));
  return pair;
}

FOVEA_DEVICE float2 unpack_bf16(uint32_t pair) {
  return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
}

FOVEA_DEVICE uint32_t f16x2_add(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

FOVEA_DEVICE uint32_t f16x2_sub(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

FOVEA_DEVICE uint32_t f16x2_mul(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

// a * b + c, rounded once.
FOVEA_DEVICE uint32_t f16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

FOVEA_DEVICE uint32_t bf16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// ---- numbers ----

// The nearest tf32 (10 bits of mantissa; ties away from zero), as mma_tf32 wants it.
FOVEA_DEVICE uint32_t f32_to_tf32(float f) {
  uint32_t t;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(t) : "f"(f));
  return t;
}

// 2^x within 2 units in the last place of binary32; subnormals become zero. 2^-inf = 0.
FOVEA_DEVICE float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// c + sum of the products of four signed bytes each.
FOVEA_DEVICE int dp4a(int a, int b, int c) {
  int d;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// The same with a's bytes unsigned.
FOVEA_DEVICE int dp4a_us(uint32_t a, int b, int c) {
  int d;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// Any bitwise function of three words. LUT is its value on (0xf0, 0xcc, 0xaa): (a & b) | c is (0xf0 & 0xcc) | 0xaa.
template <int LUT>
FOVEA_DEVICE uint32_t lop3(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(d) : "r"(a), "r"(b), "r"(c), "n"(LUT));
  return d;
}

// Four bytes picked from the eight of b:a by the digits of sel, the lowest first; digit 8 and up: the sign of byte digit - 8.
FOVEA_DEVICE uint32_t prmt(uint32_t a, uint32_t b, uint32_t sel) {
  uint32_t d;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(sel));
  return d;
}

// ---- matrices: one warp, all lanes at once, sums in place ----
//
// With g = lane / 4 and t = lane % 4, of d [16,8]: d[0], d[1] are row g, columns 2t and 2t+1; d[2], d[3] row g + 8.
// 16-bit, a [16,16] row major, b [16,8] column major: a[0] = (g, 2t..), a[1] = (g + 8, 2t..), a[2] = (g, 2t + 8..),
// a[3] = (g + 8, 2t + 8..); b[0] = rows 2t.. of column g, b[1] = rows 2t + 8...
// tf32, a [16,8], b [8,8]: the same with one element where those have two: a[2] and b[1] are 4 further on.
// 8-bit, a [16,32], b [32,8]: the same with four elements: a[0] = (g, 4t..), a[2] = (g, 4t + 16..).

FOVEA_DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

FOVEA_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The low 13 bits of the inputs are ignored: see f32_to_tf32.
FOVEA_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

FOVEA_DEVICE void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// ---- shared memory ----

// Where it lies in the shared window, as PTX wants it.
FOVEA_DEVICE uint32_t shared_address(const void *shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Four (two) matrices of 8 rows of 8 halves. Lane 8i + r (of all 32; of the first 16) names row r of matrix i: 16 bytes,
// aligned to 16. r[i] is elements 2 (lane % 4) and the next of row lane / 4 of matrix i. All lanes at once.
// Volatile, so that none moves across a barrier; between barriers there is nothing to keep order with.
FOVEA_DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared)));
}

FOVEA_DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared)));
}

// Each matrix transposed: r[i] is column lane / 4, rows 2 (lane % 4) and the next.
FOVEA_DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared)));
}

FOVEA_DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared)));
}

// Copies 16 (8, 4) bytes from global to shared memory behind the thread's back, both aligned to their size; zeros where not
// valid, and `global` is then not read. They have landed for this thread after cp_async_wait, for others after a barrier on
// top of that.
FOVEA_DEVICE void cp_async16(void *shared, const void *global, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(valid ? 16 : 0)
               : "memory");
}

FOVEA_DEVICE void cp_async8(void *shared, const void *global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(valid ? 8 : 0)
               : "memory");
}

FOVEA_DEVICE void cp_async4(void *shared, const void *global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(valid ? 4 : 0)
               : "memory");
}

// Ends the group of copies that this thread has issued since the last one.
FOVEA_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most the N latest groups of this thread are still under way.
template <int N>
FOVEA_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// ---- global memory ----

// 16 bytes, aligned, that nobody writes while the kernel runs and that are read once: passes by the first-level cache and
// leaves the second first.
FOVEA_DEVICE uint4 load_stream16(const void *global) {
  uint64_t once;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(once));
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(__cvta_generic_to_global(global)), "l"(once));
  return v;
}

// Between blocks: what was written before store_release is seen after a load_acquire that sees its value.
FOVEA_DEVICE int load_acquire(const int *global) {
  int v;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];"
               : "=r"(v)
               : "l"(__cvta_generic_to_global(global))
               : "memory");
  return v;
}

FOVEA_DEVICE void store_release(int *global, int v) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(__cvta_generic_to_global(global)), "r"(v)
               : "memory");
}

// ---- the kernel before and the kernel after (9.0 and later; nothing before) ----

// Waits until the kernels before this one have finished and what they wrote can be seen. Only in kernels launched to overlap
// does anything come before it.
FOVEA_DEVICE void pdl_wait() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel start its blocks as soon as every block of this one has said so or ended.
FOVEA_DEVICE void pdl_launch() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// ---- barriers of the grid, in a cooperative launch ----
//
// In two steps, each by every thread of every block: what any thread did before its block arrived is seen by all once they have
// waited. Between the two there is time for what does not depend on other blocks. One counter for all barriers, zero before the
// first launch that uses it; what a launch leaves there the next one goes on from.

// Returns what grid_wait wants.
FOVEA_DEVICE uint32_t grid_arrive(uint32_t *counter) {
  __syncthreads();
  uint32_t before = 0;
  if (threadIdx.x == 0) {
    // All blocks together add 2^31: the highest bit turns when the last has come, and the others are as they were.
    uint32_t add = blockIdx.x == 0 ? 0x80000000u - (gridDim.x - 1) : 1;
    asm volatile("atom.add.release.gpu.global.u32 %0, [%1], %2;"
                 : "=r"(before)
                 : "l"(__cvta_generic_to_global(counter)), "r"(add)
                 : "memory");
  }
  return before;
}

FOVEA_DEVICE void grid_wait(const uint32_t *counter, uint32_t before) {
  if (threadIdx.x == 0) {
    while (((static_cast<uint32_t>(load_acquire(reinterpret_cast<const int *>(counter))) ^ before) &
            0x80000000u) == 0) {
    }
  }
  __syncthreads();
}

// ---- barriers of some threads of a block ----
//
// For warps with different work. number: 1 to 15 (0 is __syncthreads); threads: how many make it complete, a multiple of 32.
// Whole warps take part.

FOVEA_DEVICE void part_barrier_sync(int number, int threads) {
  asm volatile("barrier.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// Counts as there, and goes on.
FOVEA_DEVICE void part_barrier_arrive(int number, int threads) {
  asm volatile("barrier.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// ---- 9.0 and later ----
//
// Compiles for any device and traps on older ones: a kernel that needs these is only listed from 9.0 on (wgmma: for 9.0 alone).
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define FOVEA_PTX_90(...) asm volatile(__VA_ARGS__)
#else
#define FOVEA_PTX_90(...) asm volatile("trap;")
#endif

// Barriers in shared memory that asynchronous copies take part in. A phase is complete once `count` threads have arrived and
// the bytes that they announced have landed; then the next begins. Phases have parity 0, 1, 0, ...; of a fresh barrier the
// phase before the first counts as complete: waiting for parity 1 then returns at once.
//
// One thread makes it, then calls mbarrier_made(), and the block meets before anyone uses it.
FOVEA_DEVICE void mbarrier_init(uint64_t *barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count)
               : "memory");
}

FOVEA_DEVICE void mbarrier_made() {
  FOVEA_PTX_90("fence.mbarrier_init.release.cluster;\n  fence.proxy.async.shared::cta;" ::
                   : "memory");
}

FOVEA_DEVICE void mbarrier_arrive(uint64_t *barrier) {
  asm volatile("{\n  .reg .b64 state;\n  mbarrier.arrive.shared::cta.b64 state, [%0];\n}" ::"r"(
                   shared_address(barrier))
               : "memory");
}

// Arrives, and announces bytes that will be copied here.
FOVEA_DEVICE void mbarrier_expect(uint64_t *barrier, int bytes) {
  FOVEA_PTX_90(
      "{\n  .reg .b64 state;\n  mbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n}" ::
          "r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}

// Waits for the phase of this parity to be complete.
FOVEA_DEVICE void mbarrier_wait(uint64_t *barrier, int parity) {
  uint32_t at = shared_address(barrier), complete = 0;
  while (!complete) {
    FOVEA_PTX_90(
        "{\n  .reg .pred done;\n  mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
        "  selp.u32 %0, 1, 0, done;\n}"
        : "=r"(complete)
        : "r"(at), "r"(parity)
        : "memory");
  }
}

// Makes what this thread wrote to shared memory visible to copies and matrix units that read it by themselves (bulk_store,
// tma_store_2d, wgmma). Threads that wrote call it, then meet the one that starts the copy or the multiplication.
FOVEA_DEVICE void async_fence() { FOVEA_PTX_90("fence.proxy.async.shared::cta;" ::: "memory"); }

// Copies by one thread of any number of bytes, a multiple of 16, from and to multiples of 16. The barrier gets them as bytes
// that have landed.
FOVEA_DEVICE void bulk_load(void *shared, const void *global, int bytes, uint64_t *barrier) {
  FOVEA_PTX_90(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}

// The box of the map whose first element is (row, column) of the matrix, row by row, at a multiple of 128 bytes; zeros where
// the box reaches past the matrix, which count as landed bytes too. With 128-byte swizzle, at a multiple of 1024: then 16-byte
// piece c of a row of 128 bytes that begins at byte r * 128 lies in place c ^ (r % 8).
FOVEA_DEVICE void tma_load_2d(void *shared, const TensorMap *map, int column, int row,
                              uint64_t *barrier) {
  FOVEA_PTX_90(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, "
      "%3}], [%4];" ::"r"(shared_address(shared)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

// Back, without what reaches past the matrix. Stores belong to groups of the thread that issues them; it waits for them before
// it writes over their source, and before it ends.
FOVEA_DEVICE void tma_store_2d(const TensorMap *map, int column, int row, const void *shared) {
  FOVEA_PTX_90(
      "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),
      "r"(column), "r"(row), "r"(shared_address(shared))
      : "memory");
}

FOVEA_DEVICE void bulk_store(void *global, const void *shared, int bytes) {
  FOVEA_PTX_90("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(
                   __cvta_generic_to_global(global)),
               "r"(shared_address(shared)), "r"(bytes)
               : "memory");
}

FOVEA_DEVICE void bulk_commit() { FOVEA_PTX_90("cp.async.bulk.commit_group;" ::: "memory"); }

// Until at most the N latest groups of stores still have to read their source.
template <int N>
FOVEA_DEVICE void bulk_wait_read() {
  FOVEA_PTX_90("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
}

FOVEA_DEVICE void tensor_map_prefetch(const TensorMap *map) {
  FOVEA_PTX_90("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// Hands registers from the warps that copy to those that multiply: all warps of a group of four call one of these. N: registers
// per thread from here on, a multiple of 8 from 24 to 240. A kernel begins with what FOVEA_KERNEL's threads leave for each: 65536
// over them, rounded down to a multiple of 8; taking waits until as many were given.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define FOVEA_PTX_90A(...) asm volatile(__VA_ARGS__)
#else
#define FOVEA_PTX_90A(...) asm volatile("trap;")
#endif

template <int N>
FOVEA_DEVICE void registers_give() {
  FOVEA_PTX_90A("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N>
FOVEA_DEVICE void registers_take() {
  FOVEA_PTX_90A("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

// Four warps, warp 4i and the next three, multiply [64,16] by [16,N] from shared memory: d += a b (d = a b, where `add` is
// false). In warp w, lane 4g + t: d[4j], d[4j + 1] are row 16 w + g, columns 8j + 2t and 8j + 2t + 1; d[4j + 2], d[4j + 3] row
// 16 w + g + 8. a is row major, b column major: rows of each (of b: columns) are runs of 16 halves, named by wgmma_operand.
//
//   wgmma_fence(); wgmma_f16<N>(d, ..); ..; wgmma_commit(); wgmma_wait<0>();
//
// From the fence to the wait that covers them nobody touches d, nor writes what a and b name.
FOVEA_DEVICE void wgmma_fence() { FOVEA_PTX_90A("wgmma.fence.sync.aligned;" ::: "memory"); }
FOVEA_DEVICE void wgmma_commit() { FOVEA_PTX_90A("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Until at most the N latest groups are under way.
template <int N>
FOVEA_DEVICE void wgmma_wait() {
  FOVEA_PTX_90A("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

#define FOVEA_EIGHT(d, i)                                                                     \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define FOVEA_32(d, i) \
  FOVEA_EIGHT(d, i), FOVEA_EIGHT(d, i + 8), FOVEA_EIGHT(d, i + 16), FOVEA_EIGHT(d, i + 24)
#define FOVEA_64(d, i) FOVEA_32(d, i), FOVEA_32(d, i + 32)
#define FOVEA_128(d, i) FOVEA_64(d, i), FOVEA_64(d, i + 64)
#define FOVEA_REGISTERS_32                                                  \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define FOVEA_REGISTERS_64                                                           \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define FOVEA_REGISTERS_128                                                                      \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                      \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "             \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "             \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, "   \
  "%127}"
#define FOVEA_WGMMA(columns, type, count, a, b, add)                                         \
  FOVEA_PTX_90A("{\n  .reg .pred p;\n  setp.ne.b32 p, " add                                  \
                ", 0;\n  wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type \
                " " FOVEA_REGISTERS_##count ", " a ", " b ", p, 1, 1, 0, 0;\n}"              \
                : FOVEA_##count(d, 0)                                                        \
                : "l"(a_rows), "l"(b_columns), "r"(static_cast<int>(add_to)))

template <int N>
FOVEA_DEVICE void wgmma_f16(float (&d)[N / 2], uint64_t a_rows, uint64_t b_columns, bool add_to) {
  static_assert(N == 64 || N == 128 || N == 256);
  if constexpr (N == 64) FOVEA_WGMMA("64", "f16", 32, "%32", "%33", "%34");
  if constexpr (N == 128) FOVEA_WGMMA("128", "f16", 64, "%64", "%65", "%66");
  if constexpr (N == 256) FOVEA_WGMMA("256", "f16", 128, "%128", "%129", "%130");
}

template <int N>
FOVEA_DEVICE void wgmma_bf16(float (&d)[N / 2], uint64_t a_rows, uint64_t b_columns, bool add_to) {
  static_assert(N == 64 || N == 128 || N == 256);
  if constexpr (N == 64) FOVEA_WGMMA("64", "bf16", 32, "%32", "%33", "%34");
  if constexpr (N == 128) FOVEA_WGMMA("128", "bf16", 64, "%64", "%65", "%66");
  if constexpr (N == 256) FOVEA_WGMMA("256", "bf16", 128, "%128", "%129", "%130");
}

#undef FOVEA_WGMMA
#undef FOVEA_REGISTERS_128
#undef FOVEA_REGISTERS_64
#undef FOVEA_REGISTERS_32
#undef FOVEA_128
#undef FOVEA_64
#undef FOVEA_32
#undef FOVEA_EIGHT
#undef FOVEA_PTX_90A
#undef FOVEA_PTX_90

#endif

// Rows of 64 halves (128 bytes), one after the other, as tma_load_2d leaves them with 128-byte swizzle; `element`, a multiple
// of 16 below 64: where in the rows the 16 begin. rows: a multiple of 1024 bytes.
// PTX ISA, "Matrix descriptor": address, leading offset (unused), 1024 bytes from 8 rows to the next 8, swizzle of 128 bytes.
FOVEA_DEVICE uint64_t wgmma_operand(const void *rows, int element) {
  uint64_t address = shared_address(rows) + static_cast<uint32_t>(element) * 2;
  return (address & 0x3ffff) >> 4 | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}
