// A call of a kernel for the tests of any backend: tensors between guards, attributes, and what should come out.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "common/blocks.h"
#include "fovea/fovea.h"

namespace {

int failures = 0;
std::string current;  // what is being checked

void fail(const std::string &what) {
  if (failures++ < 50) printf("%s: %s\n", current.c_str(), what.c_str());
}

// A small generator with a known period, so that a failure repeats.
uint64_t state = 0x9e3779b97f4a7c15;
double uniform() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<double>(state >> 11) * 0x1p-53;
}
double deviate() { return (uniform() + uniform() + uniform() - 1.5) * 2; }

float half_to_float(uint16_t h) {
  int e = h >> 10 & 31;
  double m = h & 1023;
  double v = e ? std::ldexp(1024 + m, e - 25) : std::ldexp(m, -24);
  return static_cast<float>(h & 0x8000 ? -v : v);
}

uint16_t float_to_half(double v) {  // normal range only, as the tests need it
  uint16_t sign = v < 0 ? 0x8000 : 0;
  v = std::fabs(v);
  if (v < 0x1p-14)
    return static_cast<uint16_t>(sign | static_cast<int>(std::nearbyint(v * 0x1p24)));
  int e;
  double m = std::frexp(v, &e);  // [0.5, 1)
  int bits = static_cast<int>(std::nearbyint(m * 2048));
  return static_cast<uint16_t>(sign | (((e + 14) << 10) + bits - 1024));
}

// Element i of a tensor.
double element(int32_t dtype, const uint8_t *data, size_t i) {
  auto half = [](uint16_t h) { return double{half_to_float(h)}; };
  switch (dtype) {
    case FOVEA_F32: {
      float f;
      memcpy(&f, data + 4 * i, 4);
      return f;
    }
    case FOVEA_I32: {
      int32_t v;
      memcpy(&v, data + 4 * i, 4);
      return v;
    }
    case FOVEA_U8:
      return data[i];
    case FOVEA_F16: {
      uint16_t h;
      memcpy(&h, data + 2 * i, 2);
      return half(h);
    }
    case FOVEA_BF16: {
      uint32_t bits = 0;
      memcpy(reinterpret_cast<uint8_t *>(&bits) + 2, data + 2 * i, 2);
      float f;
      memcpy(&f, &bits, 4);
      return f;
    }
    case FOVEA_Q8_0: {
      fovea_q8_0 b;
      memcpy(&b, data + i / 32 * sizeof b, sizeof b);
      return half(b.d) * b.q[i % 32];
    }
    case FOVEA_Q4_G128: {
      fovea_q4_g128 b;
      memcpy(&b, data + i / 128 * sizeof b, sizeof b);
      size_t j = i % 32, at = i % 128 / 32 * 16;
      return half(b.d) * ((j < 16 ? b.q[at + j] & 15 : b.q[at + j - 16] >> 4) - b.z);
    }
    default: {
      fovea_q4_0 b;
      memcpy(&b, data + i / 32 * sizeof b, sizeof b);
      size_t j = i % 32;
      return half(b.d) * ((j < 16 ? b.q[j] & 15 : b.q[j - 16] >> 4) - 8);
    }
  }
}

constexpr size_t GUARD = 64;
constexpr uint8_t FILL = 0xa5;

// A tensor in memory of its own between guards.
struct Buffer {
  int32_t dtype;
  std::vector<int32_t> dims;
  std::vector<uint8_t> memory;
  const int32_t *live = nullptr;

  Buffer(int32_t type, std::vector<int32_t> sizes) : dtype(type), dims(std::move(sizes)) {
    memory.assign(bytes() + 2 * GUARD, FILL);
  }
  int64_t count() const {
    int64_t n = 1;
    for (int32_t d : dims) n *= d;
    return n;
  }
  size_t bytes() const {
    auto n = static_cast<size_t>(count());
    switch (dtype) {
      case FOVEA_F16:
      case FOVEA_BF16:
        return n * 2;
      case FOVEA_Q8_0:
        return n / 32 * sizeof(fovea_q8_0);
      case FOVEA_Q4_0:
        return n / 32 * sizeof(fovea_q4_0);
      case FOVEA_U8:
        return n;
      case FOVEA_Q4_G128:
        return n / 128 * sizeof(fovea_q4_g128);
      default:
        return n * 4;
    }
  }
  uint8_t *data() { return memory.data() + GUARD; }
  const uint8_t *data() const { return memory.data() + GUARD; }
  float *f32() { return reinterpret_cast<float *>(data()); }
  int32_t *i32() { return reinterpret_cast<int32_t *>(data()); }

  void random(double scale) {
    int64_t n = count();
    for (int64_t i = 0; i < n; i++) {
      double v = deviate() * scale;
      if (dtype == FOVEA_F32) {
        f32()[i] = static_cast<float>(v);
      } else if (dtype == FOVEA_U8) {
        data()[i] = static_cast<uint8_t>(uniform() * 256);
      } else if (dtype == FOVEA_F16) {
        reinterpret_cast<uint16_t *>(data())[i] = float_to_half(v);
      } else if (dtype == FOVEA_BF16) {
        float f = static_cast<float>(v);
        memcpy(data() + 2 * i, reinterpret_cast<uint8_t *>(&f) + 2, 2);
      } else if (dtype == FOVEA_Q4_G128) {
        if (i % 128 != 0) continue;
        fovea_q4_g128 b;
        b.d = float_to_half(v / 8);
        b.z = static_cast<uint16_t>(uniform() * 16);
        for (uint8_t &q : b.q) q = static_cast<uint8_t>(uniform() * 256);
        memcpy(data() + static_cast<size_t>(i / 128) * sizeof b, &b, sizeof b);
      } else if (i % 32 == 0) {
        uint16_t d = float_to_half(v / 8);
        size_t size = dtype == FOVEA_Q8_0 ? sizeof(fovea_q8_0) : sizeof(fovea_q4_0);
        uint8_t *block = data() + static_cast<size_t>(i / 32) * size;
        memcpy(block, &d, 2);
        for (size_t j = 2; j < size; j++) block[j] = static_cast<uint8_t>(uniform() * 256);
      }
    }
  }

  std::vector<double> decode() const {
    std::vector<double> all(static_cast<size_t>(count()));
    for (size_t i = 0; i < all.size(); i++) all[i] = element(dtype, data(), i);
    return all;
  }

  void check_guards(const char *name) const {
    for (size_t i = 0; i < GUARD; i++) {
      if (memory[i] != FILL || memory[memory.size() - 1 - i] != FILL)
        return fail(std::string("wrote outside ") + name);
    }
  }
};

// A call: inputs then the output, attributes, and what the output should be. `live` counts rows of the output that matter.
struct Call {
  std::vector<Buffer *> tensors;  // nullptr: absent
  std::vector<double> attributes;
  bool whole = false;  // the attribute is a whole number
  int64_t live = -1;   // elements of the output to check; -1: all
  std::vector<double> want, bound;

  // where(buffer): its data, and its live count, as the backend sees them.
  template <class Where>
  std::vector<uint8_t> args(Where &&where) const {
    std::vector<uint8_t> bytes(tensors.size() * sizeof(fovea_tensor) + attributes.size() * 8);
    for (size_t i = 0; i < tensors.size(); i++) {
      fovea_tensor t{};
      if (Buffer *b = tensors[i]) {
        std::tie(t.data, t.live) = where(*b);
        t.dtype = b->dtype;
        t.rank = static_cast<int32_t>(b->dims.size());
        for (size_t d = 0; d < 4; d++) t.dim[d] = d < b->dims.size() ? b->dims[d] : 1;
      }
      memcpy(bytes.data() + i * sizeof t, &t, sizeof t);
    }
    for (size_t i = 0; i < attributes.size(); i++) {
      int64_t n = static_cast<int64_t>(attributes[i]);
      bool last = i + 1 == attributes.size();
      memcpy(bytes.data() + tensors.size() * sizeof(fovea_tensor) + i * 8,
             whole && last ? static_cast<void *>(&n) : const_cast<double *>(&attributes[i]), 8);
    }
    return bytes;
  }
};

// A line of the backend's kernel table.
struct Line {
  std::string op, signature, variant;
  int32_t args_bytes;
};

}  // namespace
