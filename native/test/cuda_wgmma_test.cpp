// linear_wgmma.cu as it is, and with one fault each (see cuda.cmake, which makes them): the emulator must say what is wrong, or
// the result must be. Whole numbers, so that every order of sums gives the same.

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <string>
#include <vector>

#include "cuda/linear.h"
#include "emulator/driver.h"
#include "fovea/cuda.h"
#include "src/cpu/half.h"

namespace {

using namespace fovea;

int failures = 0;

void fail(const std::string &what) {
  printf("%s\n", what.c_str());
  failures++;
}

// Two tiles of tokens by two of outputs for two blocks; nine steps through a ring of six.
constexpr int T = 200, LIVE = 197, WIDTH = 9 * 64 - 8, OPERAND = 9 * 64, OUTS = 160;

struct How {
  bool aligned = true;
  int swizzle = 3;  // of the weights' map
};

template <class E>
E *on_device(const std::vector<E> &from) {
  auto bytes = static_cast<int64_t>(from.size() * sizeof(E));
  void *memory = fovea_emulator_allocate(bytes);
  fovea_emulator_copy(memory, from.data(), bytes);
  return static_cast<E *>(memory);
}

void fill(TensorMap &map, const void *memory, uint64_t columns, uint64_t rows, int swizzle) {
  uint64_t extents[] = {columns, rows}, stride = columns * 2;
  uint32_t box[] = {64, 128}, ones[] = {1, 1};
  if (emulator::encode_tensor_map(&map, 9, 2, const_cast<void *>(memory), extents, &stride, box,
                                  ones, 0, swizzle, 3, 0))
    fail("a tensor map is refused");
}

// What the emulator says of a run, "wrong result", or nothing.
std::string line_of(int fault, uint64_t seed, How how) {
  if (fovea_emulator_open(seed, 90, 2) != FOVEA_OK) return "no device";
  auto number = [](size_t i, size_t n) { return static_cast<float>((i * n + i / 7) % 11) - 5; };
  std::vector<float> x(T * OPERAND), w(OUTS * WIDTH);
  for (size_t i = 0; i < x.size(); i++) x[i] = i % OPERAND < WIDTH ? number(i, 13) : 0;
  for (size_t i = 0; i < w.size(); i++) w[i] = number(i, 17);
  auto narrow = [](const std::vector<float> &v) {
    std::vector<uint16_t> halves;
    for (float f : v) halves.push_back(to_bfloat(f));
    return on_device(halves);
  };
  LinearWgmmaParams p{};
  p.linear.operand = narrow(x);
  p.linear.w = narrow(w);
  p.linear.y = on_device(std::vector<float>(T * OUTS, -1));
  p.linear.width = WIDTH;
  p.linear.outs = OUTS;
  p.linear.operand_width = OPERAND;
  p.linear.w_aligned = how.aligned;
  p.linear.rows = {
      on_device(std::vector<int32_t>{LIVE}), T, {on_device(std::vector<int32_t>(1)), 1}};
  fill(p.x, p.linear.operand, OPERAND, T, 3);
  if (how.aligned) fill(p.w, p.linear.w, WIDTH, OUTS, how.swizzle);

  const std::string name = "linear_bf16__fault" + std::to_string(fault) + "_128";
  const emulator::Function *kernel = emulator::find(name.c_str());
  char line[1000] = "";
  if (kernel) {
    kernel->dynamic_shared_bytes = LINEAR_WGMMA_SHARED;
    emulator::Launch launch{{2}, {LINEAR_WGMMA_THREADS}, LINEAR_WGMMA_SHARED, true};
    if (const char *why = emulator::launch(*kernel, launch, &p, nullptr)) fail(why);
    fovea_emulator_synchronize(line, sizeof line);
  } else {
    fail("no kernel " + name);
  }
  std::vector<float> y(T * OUTS);
  fovea_emulator_copy(y.data(), p.linear.y, static_cast<int64_t>(y.size() * 4));
  fovea_emulator_close();
  if (*line) return line;
  for (size_t t = 0; t < T; t++) {
    for (size_t o = 0; o < OUTS; o++) {
      float sum = t < LIVE ? 0 : -1;
      for (size_t i = 0; t < LIVE && i < WIDTH; i++) sum += x[t * OPERAND + i] * w[o * WIDTH + i];
      if (y[t * OUTS + o] != sum) return "wrong result";
    }
  }
  return "";
}

void expect(int fault, How how, const std::vector<std::string> &any) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    std::string line = line_of(fault, seed, how);
    bool found = any.empty() && line.empty();
    for (auto &piece : any) found |= line.find(piece) != std::string::npos;
    if (!found)
      return fail("fault " + std::to_string(fault) + ", seed " + std::to_string(seed) + ": '" +
                  line + "'");
  }
}

}  // namespace

int main() {
  const How tma, by_hand{.aligned = false};
  // As cuda.cmake numbers them.
  expect(0, tma, {});
  expect(0, by_hand, {});
  expect(0, {.swizzle = 0}, {"wrong result"});
  expect(1, tma, {"with no barrier between", "has not landed", "once too often"});
  expect(2, tma, {"waits for ever in mbarrier_wait", "has not landed"});
  expect(3, by_hand, {"wrong result"});
  expect(4, tma, {"has not landed", "with no barrier between", "once too often", "waits for ever"});
  expect(5, tma, {"has not landed", "never written"});
  expect(6, tma, {"with no barrier between", "was written before this wait"});
  expect(7, by_hand, {"wrote with no async_fence since"});
  expect(8, tma, {"no thread called pdl_wait", "before pdl_wait, while"});
  expect(9, tma, {"registers more than others gave"});
  expect(10, tma, {"with no barrier between", "never written"});
  expect(11, tma, {"waits for ever in mbarrier_wait"});
  expect(12, tma, {"a tensor map in a local variable"});
  printf("%s\n", failures ? "FAILED" : "passed");
  return failures != 0;
}
