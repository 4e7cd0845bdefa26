// mma.sync: fragments gathered from the lanes of a warp, multiplied as plain matrices. Products are exact, sums in binary32
// from k = 0 up; a real matrix unit sums in an order of its own.

#include <string.h>

#include "emulator/worker.h"

namespace fovea::emulator {

namespace {

// As from_half of half.h without a branch: 2^112 puts the exponent right, for subnormal numbers too.
float half(uint16_t h) {
  uint32_t bits = static_cast<uint32_t>(h & 0x7fff) << 13;
  float magnitude = std::bit_cast<float>(bits) * 0x1p112f;
  uint32_t finite = std::bit_cast<uint32_t>(magnitude);
  uint32_t rest = bits | 0x7f800000;
  return std::bit_cast<float>(((h & 0x7c00) == 0x7c00 ? rest : finite) |
                              static_cast<uint32_t>(h & 0x8000) << 16);
}

// Each kind: the type of its sums, elements per 32-bit register, and how to read one.
struct F16 {
  using Sum = float;
  static constexpr int PER_WORD = 2;
  static float element(uint32_t word, int i) { return half(static_cast<uint16_t>(word >> 16 * i)); }
};
struct Bf16 {
  using Sum = float;
  static constexpr int PER_WORD = 2;
  static float element(uint32_t word, int i) { return std::bit_cast<float>(word >> 16 * i << 16); }
};
struct Tf32 {
  using Sum = float;
  static constexpr int PER_WORD = 1;
  static float element(uint32_t word, int) { return std::bit_cast<float>(word & ~0x1fffu); }
};
struct S8 {
  using Sum = int32_t;
  static constexpr int PER_WORD = 4;
  static int32_t element(uint32_t word, int i) { return static_cast<int8_t>(word >> 8 * i); }
};

float *sums(Request &r, float) { return reinterpret_cast<float *>(&r.d); }
int32_t *sums(Request &r, int32_t) { return reinterpret_cast<int32_t *>(&r.e); }

// PTX ISA, "Matrix fragments for mma.m16n8k16" and its neighbours: see the table in cuda/ptx.cuh.
template <class Kind>
void multiply(Worker &w, Warp &warp, uint32_t) {
  using Sum = typename Kind::Sum;
  constexpr int PER = Kind::PER_WORD;
  constexpr int K = 8 * PER;
  Sum a[16][K], b[K][8], d[16][8];
  for (int lane = 0; lane < 32; lane++) {
    Request &r = w.thread(warp, lane).request;
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < PER; i++) {
      int k = t * PER + i;
      a[g][k] = Kind::element(r.a[0], i);
      a[g + 8][k] = Kind::element(r.a[1], i);
      a[g][k + K / 2] = Kind::element(r.a[2], i);
      a[g + 8][k + K / 2] = Kind::element(r.a[3], i);
      b[k][g] = Kind::element(static_cast<uint32_t>(r.b), i);
      b[k + K / 2][g] = Kind::element(static_cast<uint32_t>(r.b >> 32), i);
    }
    const Sum *c = sums(r, Sum{});
    d[g][2 * t] = c[0];
    d[g][2 * t + 1] = c[1];
    d[g + 8][2 * t] = c[2];
    d[g + 8][2 * t + 1] = c[3];
  }
  for (int m = 0; m < 16; m++) {
    Sum row[8];
    memcpy(row, d[m], sizeof row);
    for (int k = 0; k < K; k++) {
      for (int n = 0; n < 8; n++) row[n] += a[m][k] * b[k][n];
    }
    memcpy(d[m], row, sizeof row);
  }
  for (int lane = 0; lane < 32; lane++) {
    Sum *c = sums(w.thread(warp, lane).request, Sum{});
    int g = lane / 4, t = lane % 4;
    c[0] = d[g][2 * t];
    c[1] = d[g][2 * t + 1];
    c[2] = d[g + 8][2 * t];
    c[3] = d[g + 8][2 * t + 1];
  }
}

constexpr Collective MMA_F16{"mma_f16", multiply<F16>, true};
constexpr Collective MMA_BF16{"mma_bf16", multiply<Bf16>, true};
constexpr Collective MMA_TF32{"mma_tf32", multiply<Tf32>, true};
constexpr Collective MMA_S8{"mma_s8", multiply<S8>, true};

}  // namespace

Floats4 mma_f16(Floats4 d, Words4 a, uint64_t b) {
  return worker->join_whole(MMA_F16, {.b = b, .a = a, .d = d}, __builtin_return_address(0)).d;
}

Floats4 mma_bf16(Floats4 d, Words4 a, uint64_t b) {
  return worker->join_whole(MMA_BF16, {.b = b, .a = a, .d = d}, __builtin_return_address(0)).d;
}

Floats4 mma_tf32(Floats4 d, Words4 a, uint64_t b) {
  return worker->join_whole(MMA_TF32, {.b = b, .a = a, .d = d}, __builtin_return_address(0)).d;
}

Ints4 mma_s8(Ints4 d, Words4 a, uint64_t b) {
  return worker->join_whole(MMA_S8, {.b = b, .a = a, .e = d}, __builtin_return_address(0)).e;
}

}  // namespace fovea::emulator
