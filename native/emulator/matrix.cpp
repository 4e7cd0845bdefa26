// mma.sync and wgmma. Of mma.sync: fragments gathered from the lanes of a warp, multiplied as plain matrices. Products are exact, sums in binary32
// from k = 0 up; a real matrix unit sums in an order of its own.

#include <string.h>

#include "emulator/access.h"

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

namespace {

inline Request &multiply_by(const Collective &what, Words4 a, uint64_t b, const void *call) {
  Request &r = worker->request();
  r.a = a;
  r.b = b;
  return worker->join_whole(what, call);
}

}  // namespace

Floats4 mma_f16(Floats4 d, Words4 a, uint64_t b) {
  worker->request().d = d;
  return multiply_by(MMA_F16, a, b, CALL).d;
}

Floats4 mma_bf16(Floats4 d, Words4 a, uint64_t b) {
  worker->request().d = d;
  return multiply_by(MMA_BF16, a, b, CALL).d;
}

Floats4 mma_tf32(Floats4 d, Words4 a, uint64_t b) {
  worker->request().d = d;
  return multiply_by(MMA_TF32, a, b, CALL).d;
}

Ints4 mma_s8(Ints4 d, Words4 a, uint64_t b) {
  worker->request().e = d;
  return multiply_by(MMA_S8, a, b, CALL).e;
}

// ---- wgmma ----
//
// A warp makes 16 of the 64 rows by itself. The registers of the sums hold no numbers from the first instruction to the wait
// that covers the last one; operands are looked at when it starts and once more when it ends.

namespace {

constexpr uint32_t NO_NUMBER = 0x7fffffff;

// A matrix descriptor. PTX ISA, "Matrix descriptor" of wgmma.
struct Operand {
  uint32_t start, leading, stride;
  bool swizzled;

  explicit Operand(uint64_t d)
      : start(static_cast<uint32_t>(d & 0x3fff) << 4),
        leading(static_cast<uint32_t>(d >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(d >> 32 & 0x3fff) << 4),
        swizzled(d >> 62 == 1) {}

  // 16 bytes: half (0 or 1) of the 16 elements of a row.
  uint32_t piece(uint32_t row, uint32_t half) const {
    if (!swizzled) return start + row / 8 * stride + row % 8 * 16 + half * leading;
    uint32_t at = start + row / 8 * stride + row % 8 * 128 + half * 16;
    return at ^ (at >> 7 & 7) << 4;
  }
};

// The first row of A that a warp multiplies.
uint32_t first_row(const Worker &w, const Warp &warp) {
  return static_cast<uint32_t>(&warp - w.warps.data()) % 4 * 16;
}

template <class See>
void for_operands(const Worker &w, const Warp &warp, const Product &p, int columns, See see) {
  Operand a(p.a), b(p.b);
  uint32_t first = first_row(w, warp);
  for (uint32_t i = 0; i < 32; i++) see(a.piece(first + i / 2, i % 2));
  for (uint32_t i = 0; i < static_cast<uint32_t>(columns) * 2; i++) see(b.piece(i / 2, i % 2));
}

void issue(Worker &w, Warp &warp, uint32_t) {
  const Request &r = w.thread(warp, 0).request;
  const void *call = r.what ? w.thread(warp, 0).call : nullptr;
  if (!warp.product_fence) w.fault("wgmma without a wgmma_fence since the last wait", call);
  auto number = static_cast<uint32_t>(&warp - w.warps.data());
  if (number / 4 * 4 + 4 > w.warps.size()) w.fault("wgmma by fewer than four warps", call);
  Product p{static_cast<Half>(r.width), r.b, r.b2, r.word != 0, 0, warp.product_groups, 0};
  for (uint64_t descriptor : {p.a, p.b}) {
    if (descriptor >> 62 > 1 || (descriptor >> 49 & 7) ||
        (descriptor >> 62 == 1 && (descriptor & 0x38)))  // bits 7 to 9 of the address
      w.fault(
          "wgmma of an operand that is neither rows of 128 bytes swizzled from a multiple of 1024 "
          "on nor without swizzle",
          call);
  }
  for (int lane = 1; lane < 32; lane++) {
    const Request &other = w.thread(warp, lane).request;
    if (other.b != r.b || other.b2 != r.b2 || other.word != r.word)
      w.fault("wgmma with operands that differ between lanes", call);
  }
  int columns = r.lane;
  for_operands(w, warp, p, columns, [&](uint32_t at) {
    for (uint32_t i = 0; i < 4; i++) read_beside<Access::READ>(w, at / 4 + i, UNIT + number, call);
  });
  // Sums that are under way go on; others begin with what the registers hold.
  auto *registers = static_cast<const float *>(r.address);
  while (p.sums < warp.sums.size() &&
         !(warp.sums[p.sums].pending && warp.sums[p.sums].registers[0] == registers))
    p.sums++;
  if (p.sums == warp.sums.size()) {
    for (p.sums = 0; p.sums < warp.sums.size() && warp.sums[p.sums].pending;) p.sums++;
    if (p.sums == warp.sums.size()) warp.sums.emplace_back();
    Sums &s = warp.sums[p.sums];
    s.columns = columns;
    auto each = static_cast<size_t>(columns / 2);
    s.values.resize(32 * each);
    for (size_t lane = 0; lane < 32; lane++) {
      s.registers[lane] = static_cast<float *>(
          const_cast<void *>(w.thread(warp, static_cast<int>(lane)).request.address));
      memcpy(&s.values[lane * each], s.registers[lane], each * 4);
      for (size_t i = 0; i < each; i++) s.registers[lane][i] = std::bit_cast<float>(NO_NUMBER);
    }
  }
  warp.sums[p.sums].pending++;
  // Who writes the operands from here on writes them too early.
  p.issued = w.tick();
  w.now = p.issued | w.running->number;
  warp.products.push_back(p);
  warp.product_count++;
}

void finish(Worker &w, Warp &warp, const Product &p, const void *call) {
  Sums &s = warp.sums[p.sums];
  auto columns = static_cast<uint32_t>(s.columns);
  for_operands(w, warp, p, s.columns, [&](uint32_t at) {
    for (uint32_t i = at / 4; i < at / 4 + 4; i++) {
      uint32_t writer = w.shadow.words[i].writer;
      if (writer >= p.issued || writer == IN_PARTS)
        w.fault("wgmma of " + w.describe_shared(i * 4) + ", which was written before this wait",
                call);
    }
  });
  auto read = [&](const Operand &operand, uint32_t row, float *to) {
    for (uint32_t half_row = 0; half_row < 2; half_row++) {
      uint16_t elements[8];
      memcpy(elements, w.region + operand.piece(row, half_row), 16);
      for (int i = 0; i < 8; i++) {
        to[half_row * 8 + static_cast<uint32_t>(i)] =
            p.type == Half::F16 ? half(elements[i])
                                : std::bit_cast<float>(static_cast<uint32_t>(elements[i]) << 16);
      }
    }
  };
  float a[16][16], b[16][256], row[256];
  for (uint32_t i = 0; i < 16; i++) read(Operand(p.a), first_row(w, warp) + i, a[i]);
  for (uint32_t n = 0; n < columns; n++) {
    float column[16];
    read(Operand(p.b), n, column);
    for (int k = 0; k < 16; k++) b[k][n] = column[k];
  }
  // Element (m, n) is in lane 4 (m % 8) + n / 2 % 4, register n / 8 * 4 + m / 8 * 2 + n % 2.
  auto at = [&](uint32_t m, uint32_t n) -> float & {
    return s.values[(m % 8 * 4 + n / 2 % 4) * (columns / 2) + n / 8 * 4 + m / 8 * 2 + n % 2];
  };
  for (uint32_t m = 0; m < 16; m++) {
    for (uint32_t n = 0; n < columns; n++) row[n] = p.add ? at(m, n) : 0;
    for (int k = 0; k < 16; k++) {
      for (uint32_t n = 0; n < columns; n++) row[n] += a[m][k] * b[k][n];
    }
    for (uint32_t n = 0; n < columns; n++) at(m, n) = row[n];
  }
  if (--s.pending) return;
  for (size_t lane = 0; lane < 32; lane++)
    memcpy(s.registers[lane], &s.values[lane * columns / 2], columns / 2 * 4);
}

void await(Worker &w, Warp &warp, uint32_t) {
  const Thread &first = w.thread(warp, 0);
  uint32_t groups = first.request.word;
  size_t done = 0;
  while (done < warp.products.size() && warp.products[done].group + groups < warp.product_groups) {
    finish(w, warp, warp.products[done], first.call);
    done++;
  }
  warp.products.erase(warp.products.begin(),
                      warp.products.begin() + static_cast<std::ptrdiff_t>(done));
  warp.product_fence = false;
  // All lanes know what the unit has read by now: all that it read before the first that is left, in the tick before which it
  // was issued.
  uint32_t stamp = warp.products.empty() ? w.tick() : warp.products[0].issued - (1u << ID_BITS);
  for (int lane = 0; lane < 32; lane++) {
    auto &known = w.thread(warp, lane).known;
    known.resize(KNOWN);
    known[UNIT + static_cast<uint32_t>(&warp - w.warps.data())] = stamp;
  }
  w.now = w.time << ID_BITS | w.running->number;
}

constexpr Collective WGMMA{"wgmma", issue, true};
constexpr Collective WGMMA_FENCE{
    "wgmma_fence", [](Worker &, Warp &warp, uint32_t) { warp.product_fence = true; }, true};
constexpr Collective WGMMA_COMMIT{
    "wgmma_commit", [](Worker &, Warp &warp, uint32_t) { warp.product_groups++; }, true};
constexpr Collective WGMMA_WAIT{"wgmma_wait", await, true};

}  // namespace

void wgmma(Half type, int columns, float *d, uint64_t a, uint64_t b, bool add) {
  Request &r = worker->request();
  r.word = add;
  r.lane = columns;
  r.width = static_cast<int32_t>(type);
  r.address = d;
  r.b = a;
  r.b2 = b;
  worker->join_whole(WGMMA, CALL);
}

void products_fence() { worker->join_whole(WGMMA_FENCE, CALL); }
void products_commit() { worker->join_whole(WGMMA_COMMIT, CALL); }
void products_wait(int groups) {
  worker->request().word = static_cast<uint32_t>(groups);
  worker->join_whole(WGMMA_WAIT, CALL);
}

}  // namespace fovea::emulator
