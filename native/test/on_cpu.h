// The kernel tests' machine: the cpu backend. A variation is a number of threads.
#pragma once

#include <cstdlib>

#include "call.h"

namespace {

constexpr const char *VARIATION = " threads";
constexpr int32_t ALONE = 0;    // rows of a linear map that are run alone as well: all
constexpr bool HALVES = false;  // activations keep their digits

int32_t line_count() { return fovea_cpu_kernel_count(); }

// False: this machine cannot run it.
bool line_at(int32_t index, Line &line) {
  fovea_cpu_kernel k;
  if (fovea_cpu_kernel_at(index, &k) != FOVEA_OK) {
    fail("no line " + std::to_string(index));
    return false;
  }
  line = {k.op, k.signature, k.variant, k.args_bytes};
  return k.tier <= fovea_cpu_best_tier();
}

std::vector<uint8_t> host_args(const Call &c) {
  return c.args([](Buffer &b) { return std::tuple<void *, const int32_t *>(b.data(), b.live); });
}

// Whether a kernel takes arguments.
struct Judge {
  const char *rejects(int32_t kernel, const std::vector<uint8_t> &args) {
    return fovea_cpu_rejects(kernel, args.data());
  }
};

int32_t execute(int32_t kernel, const Call &c, int threads) {
  std::vector<uint8_t> args = host_args(c);
  fovea_cpu *cpu = nullptr;
  if (fovea_cpu_open(threads, &cpu) != FOVEA_OK) {
    fail("no context");
    return -1;
  }
  int64_t bytes = fovea_cpu_scratch_bytes(kernel, args.data(), threads);
  // Exactly as much as was asked for, so that a sanitizer sees any more.
  void *scratch =
      bytes ? std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64)) : nullptr;
  if (scratch) memset(scratch, 0x7f, static_cast<size_t>(bytes));
  fovea_cpu_step step{kernel, args.data()};
  int32_t failed = -1;
  int32_t status = fovea_cpu_run(cpu, &step, 1, scratch, bytes, &failed);
  std::free(scratch);
  fovea_cpu_close(cpu);
  return status;
}

// Loops of the pool, many and short, with more threads than cores: the sum of a tensor's rows must always be whole.
void more_tests() {
  current = "pool";
  Buffer a(FOVEA_F32, {64, 40}), b(FOVEA_F32, {64, 40}), y(FOVEA_F32, {64, 40});
  a.random(1);
  b.random(1);
  Call c;
  c.tensors = {&a, &b, &y};
  std::vector<uint8_t> args = host_args(c);
  int32_t kernel = -1;
  for (int32_t i = 0; i < fovea_cpu_kernel_count(); i++) {
    fovea_cpu_kernel k;
    fovea_cpu_kernel_at(i, &k);
    if (!strcmp(k.op, "add") && k.tier == FOVEA_CPU_SCALAR) kernel = i;
  }
  std::vector<fovea_cpu_step> steps(200, fovea_cpu_step{kernel, args.data()});
  for (int threads : {2, 5}) {
    fovea_cpu *cpu = nullptr;
    if (fovea_cpu_open(threads, &cpu) != FOVEA_OK) return fail("no context");
    for (int i = 0; i < 10; i++) {
      memset(y.data(), 0, y.bytes());
      if (fovea_cpu_run(cpu, steps.data(), 200, nullptr, 0, nullptr) != FOVEA_OK)
        fail("a run failed");
      for (int64_t j = 0; j < y.count(); j++)
        if (y.f32()[j] != a.f32()[j] + b.f32()[j]) return fail("an element is missing");
    }
    fovea_cpu_close(cpu);
  }
}

}  // namespace
