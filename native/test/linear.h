// linear, linear_add, linear_quick_gelu, linear_gelu and swiglu against plain loops in binary64, for the tests of any backend:
// included after the backend's on_*.h.
#pragma once

#include <algorithm>

#include "check.h"

namespace {

enum class LinearFill { ORDINARY, HUGE_NUMBERS, TINY_NUMBERS, SUBNORMAL_NUMBERS, OUTLIERS };

struct LinearCase {
  int32_t t, width, outs;
  int32_t dead = 0;   // rows at the end that do not count
  int32_t alone = 0;  // rows to run alone as well, spread over those that count; 0: all
  LinearFill fill = LinearFill::ORDINARY;
};

bool in_blocks(int32_t dtype) {
  return dtype == FOVEA_Q8_0 || dtype == FOVEA_Q4_0 || dtype == FOVEA_Q4_G128;
}

// How far a kernel may move each element of a row of x (Linear.java says why).
std::vector<double> linear_rounding(int32_t weights, const double *x, int32_t width) {
  std::vector<double> all(static_cast<size_t>(width), 0);
  double largest = 0, most = 0;
  for (int32_t j = 0; j < width; j++) largest = std::fmax(largest, std::fabs(x[j]));
  for (int32_t j = 0; j < width; j++) {
    double &r = all[static_cast<size_t>(j)];
    if (weights == FOVEA_F16 && HALVES) r = std::fabs(x[j]) * HALF + largest * HALF_TINY + 0x1p-126;
    if (weights == FOVEA_BF16) r = std::fabs(x[j]) * 0x1p-8 + 0x1p-126;
    if (in_blocks(weights)) {
      if (j % 32 == 0) {
        most = 0;
        for (int32_t l = j; l < j + 32; l++) most = std::fmax(most, std::fabs(x[l]));
      }
      r = most / 254 * (1 + 0x1p-10) + 0x1p-126;
    }
  }
  return all;
}

// Rows of x that the variant takes.
int32_t linear_rows(const std::string &variant) {
  return variant == "dp4a" ? 4 : variant == "mma16" ? 64 : INT32_MAX;
}

void linear(int32_t kernel, const Line &k, const LinearCase &size) {
  auto [t, width, outs, dead, alone, fill] = size;
  std::string op = k.op;
  std::vector<std::string> type = types(k.signature);
  int32_t dtype = code(type[1]);
  if (dtype == FOVEA_Q4_G128) width = (width + 127) / 128 * 128;
  bool pair = op == "swiglu", add = op == "linear_add";
  Buffer x(FOVEA_F32, {t, width}), w(dtype, {outs, width}), up(dtype, {outs, width}),
      b(FOVEA_F32, {outs}), r(FOVEA_F32, {t, outs}), y(FOVEA_F32, {t, outs});
  x.random(fill == LinearFill::HUGE_NUMBERS        ? 1e15
           : fill == LinearFill::TINY_NUMBERS      ? 1e-20
           : fill == LinearFill::SUBNORMAL_NUMBERS ? 1e-39
                                                   : 1);
  w.random(0.3);
  up.random(0.3);
  b.random(1);
  r.random(1);
  if (fill == LinearFill::OUTLIERS)
    for (int32_t i = 0; i < t; i++) x.f32()[i * width + (i * 7 + 3) % width] *= 1000;
  if (t > 2) memset(x.data(), 0, static_cast<size_t>(width) * 4);  // a row of zeros
  int32_t live = t - dead;
  Call c;
  if (dead) {
    x.live = r.live = y.live = &live;
    c.live = int64_t{live} * outs;
  }
  bool bias = !pair && type[2] == "f32";
  if (pair) {
    c.tensors = {&x, &w, &up, &y};
  } else if (add) {
    c.tensors = {&x, &w, bias ? &b : nullptr, &r, &y};
  } else {
    c.tensors = {&x, &w, bias ? &b : nullptr, &y};
  }
  if (t > linear_rows(k.variant)) {
    if (!Judge().rejects(kernel, host_args(c))) fail("takes more rows than it should");
    return;
  }
  std::vector<double> dx = x.decode(), dw[2] = {w.decode(), up.decode()}, db = b.decode(),
                      dr = r.decode();
  auto row = [&](const std::vector<double> &all, int32_t i) {
    return &all[static_cast<size_t>(i) * static_cast<size_t>(width)];
  };
  for (int32_t i = 0; i < t; i++) {
    const double *xs = row(dx, i);
    std::vector<double> rounding = linear_rounding(dtype, xs, width);
    for (int32_t o = 0; o < outs; o++) {
      double v[2], e[2];
      for (int m = 0; m < (pair ? 2 : 1); m++) {
        const double *ws = row(dw[m], o);
        v[m] = bias ? db[static_cast<size_t>(o)] : 0;
        double magnitude = std::fabs(v[m]), moved = 0;
        for (int32_t j = 0; j < width; j++) {
          v[m] += ws[j] * xs[j];
          magnitude += std::fabs(ws[j] * xs[j]);
          moved += std::fabs(ws[j]) * rounding[static_cast<size_t>(j)];
        }
        e[m] = (width + 3) * U * magnitude + moved;
      }
      double want = v[0], bound = e[0];
      if (add) {
        want += dr[static_cast<size_t>(i) * static_cast<size_t>(outs) + static_cast<size_t>(o)];
        bound += U * std::fabs(want);
      } else if (op == "linear_quick_gelu") {
        want = v[0] * sigmoid(1.702 * v[0]);
        bound = 1.2 * e[0] + 0x1p-20 * (1 + std::fabs(v[0])) * std::fabs(want) + 1e-37;
      } else if (op == "linear_gelu") {
        want = gelu(v[0]);
        bound = 1.2 * e[0] + 0x1p-20 * std::fabs(v[0]);
      } else if (pair) {
        double s = v[0] * sigmoid(v[0]);
        want = s * v[1];
        bound = 1.2 * e[0] * (std::fabs(v[1]) + e[1]) + std::fabs(s) * e[1] +
                0x1p-20 * (1 + std::fabs(v[0])) * std::fabs(want) + 1e-37;
      }
      c.want.push_back(want);
      c.bound.push_back(bound + U * std::fabs(want));
    }
  }
  check(kernel, c);

  // Every row alone has the bits it has among the others.
  std::vector<uint8_t> all = y.memory;
  int32_t step = alone ? std::max(1, (live - 1) / std::max(1, alone - 1)) : 1;
  for (int32_t i = 0; i < live; i += step) {
    Buffer one(FOVEA_F32, {1, width}), rest(FOVEA_F32, {1, outs}), out(FOVEA_F32, {1, outs});
    memcpy(one.data(), x.f32() + int64_t{i} * width, one.bytes());
    memcpy(rest.data(), r.f32() + int64_t{i} * outs, rest.bytes());
    Call by_itself = c;
    by_itself.tensors.front() = &one;
    by_itself.tensors.back() = &out;
    if (add) by_itself.tensors[3] = &rest;
    if (execute(kernel, by_itself, 1) != FOVEA_OK) return fail("a row alone failed");
    if (memcmp(out.data(), all.data() + GUARD + static_cast<size_t>(i) * out.bytes(),
               out.bytes()) != 0)
      return fail("row " + std::to_string(i) + " alone has other bits");
  }
}

}  // namespace
