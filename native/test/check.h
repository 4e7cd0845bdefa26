// What every test of kernels does with a call, whatever the backend: included after the backend's on_*.h.
#pragma once

#include <functional>

#include "call.h"

namespace {

// Takes these arguments, and none with a tensor that makes no sense in them.
bool judge(int32_t kernel, const Call &c) {
  Judge judge;
  const std::vector<uint8_t> args = host_args(c);
  if (const char *reason = judge.rejects(kernel, args)) {
    fail(reason);
    return false;
  }
  for (size_t i = 0; i < c.tensors.size(); i++) {
    if (!c.tensors[i]) continue;
    const Buffer &b = *c.tensors[i];
    auto refuses = [&](const char *what, const std::function<void(fovea_tensor &)> &spoil) {
      std::vector<uint8_t> bad = args;
      fovea_tensor t;
      memcpy(&t, &args[i * sizeof t], sizeof t);
      spoil(t);
      memcpy(&bad[i * sizeof t], &t, sizeof t);
      if (!judge.rejects(kernel, bad)) fail("takes tensor " + std::to_string(i) + " with " + what);
    };
    auto rank = static_cast<int32_t>(b.dims.size());
    for (int32_t r : {0, rank - 1, rank + 1, 5, -1})
      refuses("another rank", [=](fovea_tensor &t) { t.rank = r; });
    for (int32_t dtype :
         {-1, int32_t{FOVEA_Q4_G128 + 1}, int32_t{b.dtype == FOVEA_I32 ? FOVEA_F32 : FOVEA_I32}})
      refuses("another type", [=](fovea_tensor &t) { t.dtype = dtype; });
    for (int32_t d = 0; d < rank; d++) {
      for (int32_t size : {0, -1, INT32_MIN})
        refuses("no size", [=](fovea_tensor &t) { t.dim[d] = size; });
    }
    if (rank > 1)
      refuses("more elements than there can be", [=](fovea_tensor &t) {
        for (int32_t d = 0; d < rank; d++) t.dim[d] = INT32_MAX;
      });
  }
  return true;
}

void check(int32_t kernel, Call &c) {
  if (!judge(kernel, c)) return;
  Buffer &y = *c.tensors.back();
  std::vector<uint8_t> before = y.memory, first;
  for (int variation = 1; variation <= 3; variation++) {
    y.memory = before;
    int32_t status = execute(kernel, c, variation);
    if (status != FOVEA_OK) return fail("status " + std::to_string(status));
    for (Buffer *b : c.tensors)
      if (b) b->check_guards("a tensor");
    if (variation == 1) first = y.memory;
    if (y.memory != first) return fail("other bits on " + std::to_string(variation) + VARIATION);
  }
  std::vector<double> got = y.decode();
  size_t live = c.live < 0 ? got.size() : static_cast<size_t>(c.live);
  for (size_t i = 0; i < live; i++) {
    if (!(std::fabs(got[i] - c.want[i]) <= c.bound[i]))
      return fail("element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", not " +
                  std::to_string(c.want[i]) + " within " + std::to_string(c.bound[i]));
  }
  if (live < got.size() &&
      memcmp(y.data() + live * 4, before.data() + GUARD + live * 4, (got.size() - live) * 4) != 0)
    fail("wrote past the live rows");
}

std::vector<std::string> types(const std::string &signature) {
  std::vector<std::string> all(1);
  for (size_t i = 0; i < signature.size(); i++) {
    if (signature[i] == ',') {
      all.emplace_back();
    } else if (signature[i] == '-') {
      all.emplace_back();
      i++;
    } else {
      all.back() += signature[i];
    }
  }
  return all;
}

int32_t code(const std::string &type) {
  const char *const names[] = {"f32", "f16", "bf16", "q8_0", "q4_0", "i32", "u8", "q4_g128"};
  for (int32_t i = 0; i < 8; i++)
    if (type == names[i]) return i;
  return -1;
}

constexpr double U = 0x1p-24;
// What rounding to binary16 may cost: relatively, and where the number is small beside the largest that it is scaled with.
constexpr double HALF = 0x1p-11, HALF_TINY = 0x1p-25;

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
double gelu(double v) { return v / 2 * (1 + std::erf(v / std::sqrt(2.))); }

}  // namespace
