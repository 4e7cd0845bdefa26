// The emulator on kernels that are right, under many orders of threads, and on the same kernels with a fault planted: each must
// be caught, with a line that says what and where. Matrix instructions against plain loops.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "emulator/driver.h"
#include "fovea/cuda.h"
#include "src/cpu/half.h"
#include "test/kernels.h"

using fovea::emulator::Extent;
using fovea::emulator::Launch;

namespace {

int failures = 0;

void fail(const std::string &what) {
  if (failures++ < 50) printf("%s\n", what.c_str());
}

uint64_t state = 0x9e3779b97f4a7c15;
uint32_t draw() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 32);
}

// Whole numbers, so that sums are the same in any order.
std::vector<float> numbers(size_t count) {
  std::vector<float> v(count);
  for (auto &x : v) x = static_cast<float>(draw() % 17) - 8;
  return v;
}

// A device that is open while this lives.
struct Device {
  explicit Device(uint64_t seed, int capability = 80) {
    if (fovea_emulator_open(seed, capability, 4) != FOVEA_OK) fail("cannot open the device");
  }
  ~Device() { fovea_emulator_close(); }
};

template <class T>
T *on_device(const std::vector<T> &v) {
  auto bytes = static_cast<int64_t>(v.size() * sizeof(T));
  void *memory = fovea_emulator_allocate(bytes);
  if (fovea_emulator_copy(memory, v.data(), bytes) != FOVEA_OK) fail("cannot copy to the device");
  return static_cast<T *>(memory);
}

template <class T>
std::vector<T> from_device(const T *memory, size_t count) {
  std::vector<T> v(count);
  if (fovea_emulator_copy(v.data(), memory, static_cast<int64_t>(count * sizeof(T))) != FOVEA_OK)
    fail("cannot copy from the device");
  return v;
}

// Runs and returns the error line, empty if all was well.
template <class Params>
std::string run(const char *kernel, Extent grid, Extent block, const Params &params,
                size_t shared_bytes = 0, bool cooperative = false) {
  auto *function = fovea::emulator::find(kernel);
  if (!function || function->params_bytes != sizeof(Params)) return "no such kernel";
  Launch how;
  how.grid = grid;
  how.block = block;
  how.shared_bytes = shared_bytes;
  how.cooperative = cooperative;
  if (const char *why = fovea::emulator::launch(*function, how, &params, nullptr)) return why;
  char line[1000];
  return fovea_emulator_synchronize(line, sizeof line) == FOVEA_OK ? "" : line;
}

constexpr uint64_t SEEDS = 40;

// One of the kernels with TestParams.
struct Case {
  const char *kernel;
  Extent grid, block;
  size_t x, y;  // elements
  int32_t count;
  size_t shared_bytes;
  std::function<std::vector<float>(const std::vector<float> &x)> expected;
  bool cooperative = false;
};

// Right for every seed.
void passes(const Case &c) {
  auto x = numbers(c.x);
  auto expected = c.expected(x);
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    Device device(seed);
    TestParams params{on_device(x), on_device(std::vector<float>(c.y)), c.count, 0};
    std::string line = run(c.kernel, c.grid, c.block, params, c.shared_bytes, c.cooperative);
    std::string name = std::string(c.kernel) + ", seed " + std::to_string(seed) + ": ";
    if (!line.empty()) return fail(name + "refused: " + line);
    if (from_device(params.y, c.y) != expected) return fail(name + "wrong result");
  }
}

// The line of source that an error line names first.
std::string source_of(const std::string &line) {
  size_t name = line.find(" at ");
  size_t colon = line.find(".cu:", name);
  if (name == std::string::npos || colon == std::string::npos) return "";
  std::ifstream file(FOVEA_TEST_KERNELS + line.substr(name + 4, colon + 3 - name - 4));
  std::string text;
  for (int number = atoi(line.c_str() + colon + 4); number > 0; number--) std::getline(file, text);
  return text;
}

// Caught for every seed, by a line that holds all the pieces and names a line of source that holds `code`.
void caught(const Case &c, int32_t fault, const std::string &code,
            const std::vector<std::string> &pieces) {
  for (uint64_t seed = 0; seed < SEEDS / 4; seed++) {
    Device device(seed);
    TestParams params{on_device(numbers(c.x)), on_device(std::vector<float>(c.y)), c.count, fault};
    std::string line = run(c.kernel, c.grid, c.block, params, c.shared_bytes, c.cooperative);
    std::string name = std::string(c.kernel) + ", fault " + std::to_string(fault) + ", seed " +
                       std::to_string(seed) + ": ";
    if (seed == 0 && getenv("FOVEA_SHOW")) printf("%s%s\n", name.c_str(), line.c_str());
    for (auto &piece : pieces) {
      if (line.find(piece) == std::string::npos)
        return fail(name + "no '" + piece + "' in '" + line + "'");
    }
    std::string source = source_of(line);
    if (source.find(code) == std::string::npos)
      return fail(name + "'" + code + "' was meant, not '" + source + "' as in '" + line + "'");
  }
}

float sum(const std::vector<float> &x, size_t first, size_t count) {
  float total = 0;
  for (size_t i = first; i < first + count; i++) total += x[i];
  return total;
}

void barriers() {
  Case tree{"tree_sum__shared", {3}, {256}, 768, 3, 0, 0, [](auto &x) {
              return std::vector<float>{sum(x, 0, 256), sum(x, 256, 256), sum(x, 512, 256)};
            }};
  passes(tree);
  std::string race = "with no barrier between";
  caught(tree, 1, "partial[t] += partial[t + step]",
         {"tree_sum__shared: block (", "thread (", "'partial'", race});
  caught(tree, 2, "partial[t] += partial[t + step]", {"'partial'"});
  caught(tree, 3, "__syncthreads()",
         {"waits at another __syncthreads than threads before it, who wait at barriers.cu:"});
  caught(tree, 4, "__syncthreads()",
         {"waits at another __syncthreads than threads before it, who wait at barriers.cu:"});

  Case warp{"warp_sum__shuffle", {3}, {128}, 384, 384, 0, 0, [](auto &x) {
              std::vector<float> y(384);
              for (size_t i = 0; i < 384; i++) y[i] = sum(x, i / 32 * 32, 32);
              return y;
            }};
  passes(warp);
  caught(warp, 1, "__shfl_xor_sync(", {"__shfl_xor_sync from lane 7, which does not take part"});
  caught(warp, 2, "__shfl_sync(0xffffu", {"__shfl_sync from lane 20"});
  caught(warp, 3, "__shfl_sync(0x1u", {"__shfl_sync by a lane that its mask leaves out"});
  caught(warp, 4, "__syncwarp()",
         {"waits in __syncwarp of lanes 0xffffffff",
          "which waits in __shfl_xor_sync of lanes 0xffffffff at barriers.cu:"});

  Case reverse{"reverse__warp", {2}, {128}, 256, 256, 0, 0, [](auto &x) {
                 std::vector<float> y(256);
                 for (size_t i = 0; i < 256; i++) y[i] = x[i / 32 * 32 + 31 - i % 32];
                 return y;
               }};
  passes(reverse);
  caught(reverse, 1, "line[first + 31 - lane]", {"reads 4 bytes", "'line'"});
  caught(reverse, 2, "line[first + 31 - lane]", {"reads 4 bytes", "'line'"});

  passes({"early_leave__pairs", {1}, {128}, 128, 128, 70, 0, [](auto &x) {
            std::vector<float> y(128);
            for (size_t i = 0; i < 70; i++) y[i] = x[i ^ 1];
            return y;
          }});

  Case count{"count__atomic", {8}, {256}, 2048, 6, 0, 0, [](auto &x) {
               int totals[6] = {};
               for (float v : x) totals[static_cast<int>(v) & 3]++;
               totals[4] = 8;
               totals[5] = 2048;
               std::vector<float> y(6);
               memcpy(y.data(), totals, sizeof totals);
               return y;
             }};
  passes(count);
  caught(count, 1, "atomicAdd(&", {"'bins'", "with no barrier between"});

  passes({"lanes__all", {1}, {32}, 1, 512, 0, 0, [](auto &) {
            std::vector<float> y(512);
            for (int lane = 0; lane < 32; lane++) {
              int in8 = lane % 8, first8 = lane - in8;
              int v[16] = {lane * 7 % 32,
                           lane ^ 5,
                           lane < 3 ? lane : lane - 3,
                           lane > 28 ? lane : lane + 3,
                           first8 + 3,
                           in8 < 3 ? lane : lane - 3,
                           in8 > 4 ? lane : lane + 3,
                           11,
                           1,
                           0,
                           lane ^ 1,
                           (lane ^ 12) < first8 + 8 ? lane ^ 12 : lane,
                           0,
                           0,
                           0,
                           0};
              for (int i = 0; i < 16; i++)
                y[static_cast<size_t>(lane * 16 + i)] = static_cast<float>(v[i]);
            }
            return y;
          }});
}

void grids() {
  Case shift{"shift__grid",
             {4},
             {64},
             256,
             513,
             7,
             0,
             [](auto &x) {
               std::vector<float> y(513);
               std::copy(x.begin(), x.end(), y.begin());
               for (size_t step = 0; step < 7; step++) {
                 for (size_t i = 0; i < 256; i++)
                   y[(step + 1) % 2 * 256 + i] = y[step % 2 * 256 + (i + 1) % 256] + x[i];
               }
               return y;
             },
             true};
  passes(shift);
  std::string race = "with no barrier of the grid between", block = ", which block (";
  // Whoever comes second to what two blocks share is told, the one that reads or the one that writes.
  caught(shift, 1, "", {"shift__grid: block (", "thread (", " at grids.cu:", block, race});
  caught(shift, 2, "", {"shift__grid: block (", "thread (", " at grids.cu:", block, race});
  caught(shift, 3, "grid_wait(counter",
         {"waits at a barrier of the grid for block (1,0,0), which has ended"});
  caught(shift, 4, "p.fault == 4", {"grid_wait with no grid_arrive before"});
  caught(shift, 5, "load_stream16", {"by load_stream16, which this kernel has written"});
  shift.cooperative = false;
  caught(shift, 0, "grid_arrive(counter)",
         {"a barrier of the grid in a launch that is not cooperative"});
  shift.cooperative = true;
  shift.grid = {5};
  Device device(1);
  std::string line = run("shift__grid", {5}, {64}, TestParams{}, 0, true);
  if (line != "a cooperative launch of more blocks than the device holds at once")
    fail("five blocks on four multiprocessors: " + line);
}

void last_of_a_grid() {
  Case last{"last_sums__grid",
            {4},
            {64},
            256,
            6,
            0,
            0,
            [](auto &x) {
              return std::vector<float>{sum(x, 0, 256),  sum(x, 0, 64),   sum(x, 64, 64),
                                        sum(x, 128, 64), sum(x, 192, 64), 0};
            },
            true};
  passes(last);
  for (int fault = 1; fault <= 2; fault++)
    caught(last, fault, "sum += sums[i]",
           {"reads 4 bytes", ", which block (", " wrote with no barrier of the grid between"});
}

void memory() {
  Case copy{"copy__four", {2}, {128}, 1000, 1000, 1000, 0, [](auto &x) { return x; }};
  passes(copy);
  caught(copy, 1, "float4",
         {"copy__four: block (1,0,0) thread (122,0,0) at memory.cu:",
          "reads 16 bytes 0 bytes past the end of an allocation of 4000 bytes"});
  caught(copy, 2, "y[j] = x[j]",
         {"writes 4 bytes 0 bytes past the end of an allocation of 4000 bytes"});
  caught(copy, 3, "y[j] = x[j]",
         {"reads 4 bytes 4 bytes before the start of an allocation of 4000 bytes"});
  caught(copy, 4, "float4", {"float4", "not a multiple of 16"});
  caught(copy, 5, "float4", {"reads 16 bytes at 0, which is not memory of the device"});
  {
    Device device(1);
    TestParams params{on_device(numbers(1000)), on_device(std::vector<float>(1000)), 1000, 0};
    fovea_emulator_free(const_cast<float *>(params.x));
    std::string line = run("copy__four", {2}, {128}, params);
    if (line.find("reads 16 bytes") == std::string::npos) fail("freed memory read: " + line);
  }

  Case turn{"turn__shared", {1}, {128}, 100, 100, 100, 32, [](auto &x) {
              return std::vector<float>(x.rbegin(), x.rend());
            }};
  passes(turn);
  caught(turn, 1, "p.fault == 1", {"writes 4 bytes 0 bytes past the end of 'line'"});
  caught(turn, 2, "p.y[t] =", {"reads 4 bytes at byte 396 of 'line', never written"});
  caught(turn, 3, "p.y[t] =", {"reads 4 bytes 0 bytes past the end of 'line'"});
  caught(turn, 4, "p.fault == 4", {"writes 4 bytes 4 bytes before the start of 'line'"});
  caught(turn, 5, "more[8]", {"writes 4 bytes 0 bytes past the end of the dynamic shared memory"});
  caught(turn, 6, "four[p.count]", {"index 100 of 'float [4]'"});

  Case parts{"parts__shared",
             {2},
             {64},
             1,
             1,
             0,
             0,
             [](auto &) {
               return std::vector<float>{2 * 63 * 32}; }};
  passes(parts);
  caught(parts, 1, "sum +=", {"reads "});
  caught(parts, 2, "sum += bytes[i]", {"reads 1 bytes at byte 64 of 'bytes', never written"});

  Case tiles{"tiles__pipeline", {1}, {32}, 8 * 128, 8, 8 * 128, 0, [](auto &x) {
               std::vector<float> y(8);
               for (size_t i = 0; i < 8; i++) y[i] = sum(x, i * 128, 128);
               return y;
             }};
  passes(tiles);
  std::string flying = "has not landed: no cp_async_wait since";
  caught(tiles, 1, "sum += tile[", {"'tile', where an asynchronous copy by thread", flying});
  caught(tiles, 2, "sum += tile[", {flying});
  caught(tiles, 3, "sum += tile[", {"'tile'"});
  caught(tiles, 4, "cp_async16(", {"copies 4 bytes", "read with no barrier between"});
  caught(tiles, 5, "cp_async16(", {"not a multiple of 16"});
  caught(tiles, 6, "cp_async16(",
         {"reads 16 bytes ", "past the end of an allocation of 4096 bytes"});

  passes({"tail__zeros", {1}, {32}, 102, 1, 102, 0, [](auto &x) {
            return std::vector<float>{sum(x, 0, 100)};
          }});
}

// ---- matrices ----

struct Kind {
  const char *kernel;
  int k;
  bool transposed;  // a as [K,16], b as [K,8]
};

template <class Element, class Sum>
void matrices(const Kind &kind, const std::function<Element(double)> &narrow,
              const std::function<double(Element)> &wide) {
  Device device(7);
  int k = kind.k;
  auto check = [&](const std::vector<double> &a, const std::vector<double> &b,
                   const std::vector<double> &c) {
    std::vector<Element> na(a.size()), nb(b.size());
    std::vector<Sum> d(c.size());
    for (int i = 0; i < 16 * k; i++) {
      int to = kind.transposed ? i % k * 16 + i / k : i;
      na[static_cast<size_t>(to)] = narrow(a[static_cast<size_t>(i)]);
    }
    for (int i = 0; i < 8 * k; i++) {
      int to = kind.transposed ? i % k * 8 + i / k : i;
      nb[static_cast<size_t>(to)] = narrow(b[static_cast<size_t>(i)]);
    }
    for (size_t i = 0; i < c.size(); i++) d[i] = static_cast<Sum>(c[i]);
    MatrixParams params{on_device(na), on_device(nb), on_device(d)};
    std::string line = run(kind.kernel, {1}, {32}, params);
    if (!line.empty()) return fail(std::string(kind.kernel) + ": " + line);
    auto got = from_device(static_cast<Sum *>(params.d), 128);
    for (int m = 0; m < 16; m++) {
      for (int n = 0; n < 8; n++) {
        double sum = c[static_cast<size_t>(m * 8 + n)], size = std::fabs(sum);
        for (int i = 0; i < k; i++) {
          int at = kind.transposed ? i * 16 + m : m * k + i;
          int bt = kind.transposed ? i * 8 + n : n * k + i;
          double term = wide(na[static_cast<size_t>(at)]) * wide(nb[static_cast<size_t>(bt)]);
          sum += term;
          size += std::fabs(term);
        }
        double bound = (k + 1) * 0x1p-24 *
                       size;  // of a sum of k + 1 terms in binary32; whole numbers are exact
        if (std::fabs(static_cast<double>(got[static_cast<size_t>(m * 8 + n)]) - sum) > bound)
          return fail(std::string(kind.kernel) + ": wrong at " + std::to_string(m) + "," +
                      std::to_string(n));
      }
    }
    fovea_emulator_free(const_cast<void *>(params.a));
    fovea_emulator_free(const_cast<void *>(params.b));
    fovea_emulator_free(params.d);
  };
  auto count = [](int rows, int columns) { return static_cast<size_t>(rows * columns); };
  // One-hot matrices: every element of a against every row of b.
  for (int i = 0; i < 16 * k; i++) {
    std::vector<double> a(count(16, k)), b(count(8, k)), c(128);
    a[static_cast<size_t>(i)] = 1;
    for (size_t j = 0; j < b.size(); j++) b[j] = static_cast<double>(j % 127);
    check(a, b, c);
  }
  for (int round = 0; round < 20; round++) {
    std::vector<double> a(count(16, k)), b(count(8, k)), c(128);
    auto deviate = [&] { return (static_cast<double>(draw()) * 0x1p-31 - 1) * 127; };
    for (auto &v : a) v = deviate();
    for (auto &v : b) v = deviate();
    for (auto &v : c) v = std::floor(deviate() * 100);
    check(a, b, c);
  }
}

void matrix_kinds() {
  std::function<uint16_t(double)> to_f16 = [](double v) {
    return fovea::to_half(static_cast<float>(v));
  };
  std::function<double(uint16_t)> from_f16 = [](uint16_t v) { return fovea::from_half(v); };
  std::function<uint16_t(double)> to_bf16 = [](double v) {
    return fovea::to_bfloat(static_cast<float>(v));
  };
  std::function<double(uint16_t)> from_bf16 = [](uint16_t v) { return fovea::from_bfloat(v); };
  matrices<uint16_t, float>({"tile__f16", 16, false}, to_f16, from_f16);
  matrices<uint16_t, float>({"tile__bf16", 16, false}, to_bf16, from_bf16);
  matrices<uint16_t, float>({"tile__ldmatrix", 16, false}, to_f16, from_f16);
  matrices<uint16_t, float>({"tile__transposed", 16, true}, to_f16, from_f16);
  // As given, with bits that the unit ignores.
  matrices<float, float>(
      {"tile__tf32", 8, false}, [](double v) { return static_cast<float>(v); },
      [](float v) {
        uint32_t bits;
        memcpy(&bits, &v, 4);
        bits &= ~0x1fffu;
        memcpy(&v, &bits, 4);
        return v;
      });
  matrices<int8_t, int32_t>(
      {"tile__s8", 32, false}, [](double v) { return static_cast<int8_t>(std::lround(v)); },
      [](int8_t v) { return v; });
  matrices<uint16_t, float>({"tile__swizzled", 16, false}, to_f16, from_f16);
  Device device(3);
  {
    std::vector<uint16_t> a(256), b(128);
    for (auto &v : a) v = to_f16(draw() % 17);
    for (auto &v : b) v = to_f16(draw() % 17);
    MatrixParams right{on_device(a), on_device(b), on_device(std::vector<float>(128))};
    MatrixParams wrong{right.a, right.b, on_device(std::vector<float>(128))};
    std::string line =
        run("tile__swizzled", {1}, {32}, right) + run("tile__wrong_swizzle", {1}, {32}, wrong);
    if (!line.empty() || from_device(static_cast<float *>(right.d), 128) ==
                             from_device(static_cast<float *>(wrong.d), 128))
      fail("a wrong swizzle does not show: " + line);
  }
  MatrixParams params{on_device(std::vector<float>(256)), nullptr,
                      on_device(std::vector<float>(128))};
  std::string line = run("tile__broken", {1}, {32}, params);
  if (line.find("of 'rows', never written") == std::string::npos)
    fail("ldmatrix of nothing: " + line);
  params.b = params.a;
  line = run("tile__broken", {1}, {32}, params);
  if (line.find("mma_f16 in a warp of which only 16 lanes are left") == std::string::npos)
    fail("half a warp multiplies: " + line);
}

// ---- asynchronous copies, mbarriers, wgmma ----

void bulk_copies() {
  Case turn{
      "turn__bulk", {2}, {128}, 128,
      128,          128, 0,     [](auto &x) {
              return std::vector<float>(x.rbegin(), x.rend()); }};
  passes(turn);
  caught(turn, 1, "to[i] = from", {"'in', "});
  caught(turn, 2, "bulk_store", {"'out'"});
  caught(turn, 3, "part_barrier_sync",
         {"waits for ever at barrier 3, to which 128 of 160 threads have come"});
  caught(turn, 4, "bulk_store", {"'out', which thread (", "wrote with no async_fence since"});
  caught(turn, 5, "mbarrier_wait(landed, 1)", {"waits for ever in mbarrier_wait"});
  caught(turn, 6, "bulk_load", {"a bulk copy of 12 bytes"});
  Case pool{"registers__pool", {1}, {384}, 384, 384, 384, 0, [](auto &x) { return x; }};
  passes(pool);
  auto pool_line = [](int32_t fault) {
    Device device(1);
    TestParams params{on_device(numbers(384)), on_device(std::vector<float>(384)), 384, fault};
    return run("registers__pool", {1}, {384}, params);
  };
  if (pool_line(1).find("take 2048 registers more than others gave") == std::string::npos ||
      pool_line(2).find("have not set their registers alike") == std::string::npos ||
      pool_line(3).find("gives registers of 168 a thread, so that there are 176") ==
          std::string::npos)
    fail("registers: " + pool_line(1) + " / " + pool_line(2) + " / " + pool_line(3));
}

// A matrix for a TensorMap: rows of `columns`, in boxes.
struct Boxes {
  int type, bytes, swizzle;
  uint64_t columns, rows;
  uint32_t box_columns, box_rows;
};

// In place: GCC does not align what a function returns to 128.
void fill(TensorMap &map, void *memory, const Boxes &m) {
  uint64_t extents[] = {m.columns, m.rows}, stride = m.columns * static_cast<uint64_t>(m.bytes);
  uint32_t box[] = {m.box_columns, m.box_rows}, ones[] = {1, 1};
  if (fovea::emulator::encode_tensor_map(&map, m.type, 2, memory, extents, &stride, box, ones, 0,
                                         m.swizzle, 0, 0))
    fail("a tensor map is refused");
}

// y = a b^T of whole numbers, so that every order of sums gives the same; rows: of a that there are, the rest are zeros.
std::string product_line(const char *kernel, int n, bool bf16, int32_t fault, uint64_t seed,
                         int rows = 64, int swizzle = 3) {
  Device device(seed, 90);
  int k = 5 * 64;
  auto a = numbers(static_cast<size_t>(rows * k)), b = numbers(static_cast<size_t>(n * k));
  auto narrow = [&](const std::vector<float> &v) {
    std::vector<uint16_t> halves(v.size());
    for (size_t i = 0; i < v.size(); i++)
      halves[i] = bf16 ? fovea::to_bfloat(v[i]) : fovea::to_half(v[i]);
    return on_device(halves);
  };
  auto *y = on_device(std::vector<float>(static_cast<size_t>(64 * n), -1));
  auto wide = static_cast<uint64_t>(k);
  int type = bf16 ? 9 : 6;
  ProductParams params{};
  params.k = k / 64;
  params.fault = fault;
  fill(params.a, narrow(a), {type, 2, swizzle, wide, static_cast<uint64_t>(rows), 64, 64});
  fill(params.b, narrow(b),
       {type, 2, 3, wide, static_cast<uint64_t>(n), 64, static_cast<uint32_t>(n)});
  fill(params.y, y, {7, 4, 0, static_cast<uint64_t>(n), 64, 32, 64});
  auto *function = fovea::emulator::find(kernel);
  function->dynamic_shared_bytes = 227 << 10;
  size_t shared = 1024 + 2 * (64 * 128 + static_cast<size_t>(n) * 128);
  std::string line = run(kernel, {1}, {160}, params, shared);
  if (!line.empty()) return line;
  auto got = from_device(y, static_cast<size_t>(64 * n));
  for (int m = 0; m < 64; m++) {
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int i = 0; i < k && m < rows; i++)
        sum += a[static_cast<size_t>(m * k + i)] * b[static_cast<size_t>(j * k + i)];
      if (got[static_cast<size_t>(m * n + j)] != sum) return "wrong result";
    }
  }
  return "";
}

void products() {
  for (uint64_t seed = 0; seed < SEEDS / 4; seed++) {
    std::string line = product_line("product_f16__64", 64, false, 0, seed);
    if (line.empty()) line = product_line("product_f16__128", 128, false, 0, seed);
    if (line.empty()) line = product_line("product_bf16__256", 256, true, 0, seed);
    if (line.empty()) line = product_line("product_f16__64", 64, false, 0, seed, 37);
    if (!line.empty()) return fail("product, seed " + std::to_string(seed) + ": " + line);
  }
  auto expect = [](int32_t fault, const std::vector<std::string> &any) {
    for (uint64_t seed = 0; seed < SEEDS / 8; seed++) {
      std::string line = product_line("product_f16__64", 64, false, fault, seed);
      if (seed == 0 && getenv("FOVEA_SHOW")) printf("product, fault %d: %s\n", fault, line.c_str());
      bool found = false;
      for (auto &piece : any) found |= line.find(piece) != std::string::npos;
      if (!found) return fail("product, fault " + std::to_string(fault) + ": '" + line + "'");
    }
  };
  expect(1, {"has not landed: no mbarrier_wait since", "never written"});
  expect(2, {"with no barrier between", "has not landed",
             "arrives at an mbarrier of 1 once too often"});
  expect(3, {"wrong result", "which a wgmma read with no barrier between"});
  expect(4, {"wgmma without a wgmma_fence"});
  expect(5, {"wrote with no async_fence since"});
  expect(6, {"waits for ever in mbarrier_wait at byte 0 of 'full': phase 0 lacks 0 of 1 arrivals "
             "and -128 bytes"});
  expect(7, {"with no barrier between", "was written before this wait"});
  expect(8, {"ends with bulk stores that it has not waited for"});
  expect(9, {"wrong result"});
  if (product_line("product_f16__64", 64, false, 0, 1, 64, 0) != "wrong result")
    fail("a map without swizzle gives the same");
  TensorMap map;
  uint64_t extents[] = {64, 64}, odd = 130;
  uint32_t box[] = {64, 64}, ones[] = {1, 1};
  if (!fovea::emulator::encode_tensor_map(&map, 6, 2, nullptr, extents, &odd, box, ones, 0, 3, 0,
                                          0))
    fail("rows at odd addresses are taken for a tensor map");
}

// Kernels that may start before the kernel before has ended.
void overlap() {
  auto x = numbers(256);
  auto *function = fovea::emulator::find("accumulate__overlap");
  Launch how{{2}, {128}};
  auto line_of = [&](int32_t fault, bool waits_first) {
    Device device(1);
    TestParams params{on_device(x), on_device(std::vector<float>(256)), 256, 0};
    how.overlap = false;
    fovea::emulator::launch(*function, how, &params, nullptr);
    how.overlap = true;
    fovea::emulator::launch(*function, how, &params, nullptr);
    if (waits_first) fovea_emulator_synchronize(nullptr, 0);
    params.fault = fault;
    fovea::emulator::launch(*function, how, &params, nullptr);
    char line[1000];
    if (fovea_emulator_synchronize(line, sizeof line) != FOVEA_OK) return std::string(line);
    auto expected = x;
    for (auto &v : expected) v *= 3;
    return std::string(from_device(params.y, 256) == expected ? "" : "wrong result");
  };
  auto expect = [&](int32_t fault, bool waits_first, const std::string &piece) {
    std::string line = line_of(fault, waits_first);
    if (piece.empty() ? !line.empty() : line.find(piece) == std::string::npos)
      fail("accumulate__overlap, fault " + std::to_string(fault) + ": '" + line + "'");
  };
  expect(0, false, "");
  expect(1, false, "which a kernel before this one wrote, before pdl_wait");
  expect(1, true, "");  // nothing is under way by then
  expect(2, true, "writes 4 bytes at byte");
  expect(3, false, "no thread called pdl_wait");
}

// ---- the device ----

void device_calls() {
  if (fovea_emulator_open(1, 70, 4) == FOVEA_OK) fail("opened a device of capability 7.0");
  Device device(5, 90);
  if (fovea_emulator_open(1, 80, 4) == FOVEA_OK) fail("opened a second device");
  if (fovea::emulator::capability() != 90 || fovea::emulator::multiprocessors() != 4 ||
      fovea::emulator::shared_bytes() != 227 << 10)
    fail("the device is another");

  auto x = numbers(1000);
  TestParams params{on_device(x), on_device(std::vector<float>(1000)), 1000, 0};
  int64_t bytes = 0;
  if (fovea_emulator_live(&bytes) != 2 || bytes != 8000) fail("allocations are not counted");
  if (reinterpret_cast<uintptr_t>(params.x) % 256) fail("an allocation is not aligned");

  // Copies and fills keep inside allocations; frees are of allocations.
  std::vector<float> host(1001);
  if (fovea_emulator_copy(host.data(), params.x, 4004) == FOVEA_OK)
    fail("copied past an allocation");
  if (fovea_emulator_fill(params.y, 0, 4001) == FOVEA_OK) fail("filled past an allocation");
  if (fovea_emulator_free(params.y + 4) == FOVEA_OK) fail("freed the middle of an allocation");

  // Recorded, not run; then run as often as asked.
  int stream;
  auto *function = fovea::emulator::find("copy__four");
  Launch how{{2}, {128}};
  fovea_emulator_fill(params.y, 0, 4000);
  fovea_emulator_begin_capture(&stream);
  if (fovea::emulator::launch(*function, how, &params, &stream)) fail("cannot record");
  void *graph = nullptr;
  if (fovea_emulator_end_capture(&stream, &graph) != FOVEA_OK) fail("cannot end a capture");
  if (fovea_emulator_launches() != 0 || from_device(params.y, 1000) != std::vector<float>(1000))
    fail("a recorded launch ran");
  for (int i = 0; i < 3; i++) fovea_emulator_launch_graph(graph, nullptr);
  if (fovea_emulator_launches() != 3 || from_device(params.y, 1000) != x)
    fail("a graph did not run");
  fovea_emulator_free_graph(graph);

  // What no device would launch.
  auto refused = [&](Launch how) {
    return fovea::emulator::launch(*function, how, &params, nullptr) != nullptr;
  };
  if (!refused({{1}, {129}})) fail("a block too large was launched");
  if (!refused({{0}, {128}})) fail("an empty grid was launched");
  if (!refused({{1, 65536}, {128}})) fail("a grid too tall was launched");
  if (!refused({{1}, {128}, 49153})) fail("shared memory that was not asked for was given");

  // After an error nothing runs until it was asked for; then all is well again.
  params.fault = 5;
  fovea::emulator::launch(*function, how, &params, nullptr);
  params.fault = 0;
  fovea_emulator_fill(params.y, 0, 4000);
  fovea::emulator::launch(*function, how, &params, nullptr);
  if (from_device(params.y, 1000) != std::vector<float>(1000)) fail("a launch ran after an error");
  if (fovea_emulator_synchronize(nullptr, 0) != FOVEA_E_ARGUMENT) fail("an error was lost");
  if (!run("copy__four", {2}, {128}, params).empty() || from_device(params.y, 1000) != x)
    fail("the device does not recover");
}

// The same seed gives the same order of threads, another another: the order in which threads add to a sum shows in its bits.
void orders() {
  std::vector<std::string> lines;
  for (uint64_t seed : {1, 1, 2, 3, 4, 5, 6}) {
    Device device(seed);
    TestParams params{on_device(numbers(768)), on_device(std::vector<float>(3)), 0, 1};
    lines.push_back(run("tree_sum__shared", {1}, {256}, params));
  }
  if (lines[0] != lines[1]) fail("one seed, two orders: " + lines[0] + " / " + lines[1]);
  bool differ = false;
  for (auto &line : lines) differ |= line != lines[0];
  if (!differ) fail("every seed gives the same order");
}

}  // namespace

int main() {
  barriers();
  grids();
  last_of_a_grid();
  memory();
  matrix_kinds();
  bulk_copies();
  products();
  overlap();
  device_calls();
  orders();
  if (failures) printf("%d failures\n", failures);
  return failures != 0;
}
