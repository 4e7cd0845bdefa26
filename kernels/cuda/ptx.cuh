// What only PTX can say: conversions and arithmetic on packed halves, matrix instructions, copies past the registers. All of
// the project's inline PTX lies here, each instruction as a plain function, so that native/emulator/ptx.h can stand in for
// it; whoever adds one adds both sides. Shapes and fragment layouts are those of the PTX ISA, section 9.7.
//
// A half is a uint16_t, a pair of halves a uint32_t with the first in the low bits.
#pragma once

#include <stdint.h>

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

#endif
