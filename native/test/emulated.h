// What tests of kernels on the emulated device share: the device, tensors on it, running a line of the kernel table, and
// failing with a line that says where.
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <random>
#include <string>
#include <vector>

#include "fovea/cuda.h"

namespace emulated {

[[noreturn]] inline void fail(const std::string &what) {
  fprintf(stderr, "%s\n", what.c_str());
  exit(1);
}

inline void require(bool holds, const std::string &what) {
  if (!holds) fail(what);
}

// One device at a time.
class Device {
 public:
  explicit Device(uint64_t seed, int32_t capability = 90, int32_t multiprocessors = 8) {
    require(fovea_emulator_open(seed, capability, multiprocessors) == FOVEA_OK, "open");
    error_ = fovea_emulator_allocate(4);
    fovea_emulator_fill(error_, 0, 4);
    char message[512] = "";
    if (fovea_cuda_open(nullptr, 0, error_, &cuda_, message, sizeof message) != FOVEA_OK)
      fail(std::string("fovea_cuda_open: ") + message);
  }
  ~Device() {
    fovea_cuda_close(cuda_);
    for (void *memory : allocated_) fovea_emulator_free(memory);
    fovea_emulator_free(error_);
    fovea_emulator_close();
  }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  // `offset` bytes past an address that is a multiple of 256.
  void *allocate(int64_t bytes, int64_t offset = 0) {
    auto *memory = static_cast<uint8_t *>(fovea_emulator_allocate(bytes + offset));
    require(memory != nullptr, "out of memory");
    allocated_.push_back(memory);
    return memory + offset;
  }

  template <class T>
  T *put(const std::vector<T> &from, int64_t offset = 0) {
    auto bytes = static_cast<int64_t>(from.size() * sizeof(T));
    void *memory = allocate(bytes, offset);
    fovea_emulator_copy(memory, from.data(), bytes);
    return static_cast<T *>(memory);
  }

  template <class T>
  std::vector<T> get(const void *from, size_t count) {
    std::vector<T> to(count);
    fovea_emulator_copy(to.data(), from, static_cast<int64_t>(count * sizeof(T)));
    return to;
  }

  // Waits; a broken rule of the device ends the test.
  void finish(const std::string &what) {
    char message[1024] = "";
    if (fovea_emulator_synchronize(message, sizeof message) != FOVEA_OK)
      fail(what + ": " + message);
  }

  // Index of a line of the kernel table, which must be there.
  static int32_t line(const char *op, const char *signature, const char *variant) {
    for (int32_t i = 0; i < fovea_cuda_kernel_count(); i++) {
      fovea_cuda_kernel k;
      fovea_cuda_kernel_at(i, &k);
      if (!strcmp(k.op, op) && !strcmp(k.signature, signature) && !strcmp(k.variant, variant))
        return i;
    }
    fail(std::string("no kernel ") + op + " " + signature + " " + variant);
  }

  fovea_cuda *cuda() { return cuda_; }

  const char *rejects(int32_t line, const void *args) {
    return fovea_cuda_rejects(cuda_, line, args);
  }

  // Runs one step; gives what it left in the error cell, which is zero again. The scratch memory stays from run to run.
  int32_t run(int32_t line, const void *args, const std::string &what) {
    int64_t bytes = fovea_cuda_scratch_bytes(cuda_, line, args);
    if (bytes > scratch_bytes_) {
      scratch_ = allocate(bytes);
      scratch_bytes_ = bytes;
      fovea_emulator_fill(scratch_, 0, bytes);
      // Behind the counters, see launch.h, kernels of other ops may have left anything: here, NaN.
      if (bytes > COUNTER_BYTES)
        fovea_emulator_fill(static_cast<uint8_t *>(scratch_) + COUNTER_BYTES, 0xff,
                            bytes - COUNTER_BYTES);
    }
    fovea_cuda_step step{line, args};
    int32_t failed = 0;
    char message[512] = "";
    if (fovea_cuda_enqueue(cuda_, &step, 1, scratch_, scratch_bytes_, nullptr, &failed, message,
                           sizeof message) != FOVEA_OK)
      fail(what + ": enqueue: " + message);
    finish(what);
    int32_t error = get<int32_t>(error_, 1)[0];
    fovea_emulator_fill(error_, 0, 4);
    return error;
  }

 private:
  static constexpr int64_t COUNTER_BYTES = 64 * 1024;
  fovea_cuda *cuda_ = nullptr;
  void *error_ = nullptr;
  void *scratch_ = nullptr;
  int64_t scratch_bytes_ = 0;
  std::vector<void *> allocated_;
};

inline fovea_tensor tensor(void *data, int32_t dtype, std::vector<int32_t> sizes,
                           const int32_t *live = nullptr) {
  fovea_tensor t{data, live, dtype, static_cast<int32_t>(sizes.size()), {1, 1, 1, 1}};
  for (size_t i = 0; i < sizes.size(); i++) t.dim[i] = sizes[i];
  return t;
}

inline std::vector<float> normal(std::mt19937 &random, size_t count, float deviation) {
  std::normal_distribution<float> of(0, deviation);
  std::vector<float> x(count);
  for (float &v : x) v = of(random);
  return x;
}

}  // namespace emulated
