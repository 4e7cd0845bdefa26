// The kernel tests' machine: the cuda backend on the emulated device. Each variation has another order of threads; the second
// puts tensors at addresses that allow no pieces of 16 bytes; the third captures a graph and replays it twice, with the scratch
// memory as the first run left it.
#pragma once

#include <map>
#include <memory>

#include "call.h"
#include "fovea/cuda.h"

namespace {

constexpr const char *VARIATION = ". variation";
constexpr int32_t ALONE = 4;   // rows of a linear map that are run alone as well
constexpr bool HALVES = true;  // kernels may round to binary16 as the ops' definitions say

int32_t line_count() { return fovea_cuda_kernel_count(); }

bool line_at(int32_t index, Line &line) {
  fovea_cuda_kernel k;
  if (fovea_cuda_kernel_at(index, &k) != FOVEA_OK) {
    fail("no line " + std::to_string(index));
    return false;
  }
  line = {k.op, k.signature, k.variant, k.args_bytes};
  return true;
}

// The emulated device of a variation, and the tensors of one call in its memory.
class Device {
 public:
  const int variation;
  fovea_cuda *cuda = nullptr;
  char message[500] = "";

  explicit Device(int variation) : variation(variation) {
    if (fovea_emulator_open(static_cast<uint64_t>(variation), 90, 8) != FOVEA_OK)
      fail("no emulated device");
    error_ = fovea_emulator_allocate(4);
    fovea_emulator_fill(error_, 0, 4);
    if (fovea_cuda_open(nullptr, 0, error_, &cuda, message, sizeof message) != FOVEA_OK)
      fail(message);
    fovea_cuda_offer_gemm(cuda, fovea_emulator_gemm);
  }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  ~Device() {
    clear();
    fovea_cuda_close(cuda);
    fovea_emulator_free(error_);
    int64_t bytes = 0;
    if (fovea_emulator_live(&bytes) != 0)
      fail("the backend left " + std::to_string(bytes) + " bytes");
    fovea_emulator_close();
  }

  // There is one at a time; it is opened anew when the variation changes.
  static Device &of(int variation) {
    if (!open_ || open_->variation != variation) {
      open_.reset();
      open_ = std::make_unique<Device>(variation);
    }
    return *open_;
  }

  // Gives back the call's memory.
  void clear() {
    for (void *memory : allocations_) fovea_emulator_free(memory);
    allocations_.clear();
    places_.clear();
  }

  void *allocate(int64_t bytes) {
    void *memory = fovea_emulator_allocate(bytes);
    if (!memory) fail("no device memory");
    allocations_.push_back(memory);
    return memory;
  }

  // The argument struct with device addresses. shift: bytes past an aligned address.
  std::vector<uint8_t> args(const Call &c, int64_t shift) {
    return c.args([&](Buffer &b) {
      const int32_t *live = nullptr;
      if (b.live) {
        void *count = allocate(4);
        fovea_emulator_copy(count, b.live, 4);
        live = static_cast<const int32_t *>(count);
      }
      return std::tuple<void *, const int32_t *>(place(b, shift), live);
    });
  }

  // The buffers' contents into device memory again.
  void refill() {
    for (auto &[buffer, memory] : places_) fill(*buffer, memory);
  }

  // What kernels did to the tensors, back into the buffers.
  void fetch() {
    for (auto &[buffer, memory] : places_) {
      std::vector<uint8_t> bytes(buffer->bytes());
      fovea_emulator_copy(bytes.data(), memory, static_cast<int64_t>(bytes.size()));
      if (block_bytes(*buffer)) {
        join(*buffer, bytes);
      } else {
        memcpy(buffer->data(), bytes.data(), bytes.size());
      }
    }
  }

  int32_t error() {
    int32_t code = 0;
    fovea_emulator_copy(&code, error_, 4);
    fovea_emulator_fill(error_, 0, 4);
    return code;
  }

 private:
  static size_t block_bytes(const Buffer &b) {
    return b.dtype == FOVEA_Q4_0      ? sizeof(fovea_q4_0)
           : b.dtype == FOVEA_Q8_0    ? sizeof(fovea_q8_0)
           : b.dtype == FOVEA_Q4_G128 ? sizeof(fovea_q4_g128)
                                      : 0;
  }

  static size_t quant_bytes(const Buffer &b) {
    return block_bytes(b) - (b.dtype == FOVEA_Q4_G128 ? 4 : 2);
  }

  // The emulator faults on any access outside the allocation, which is exactly as large as the tensor.
  void *place(Buffer &b, int64_t shift) {
    auto found = places_.find(&b);
    if (found != places_.end()) return found->second;
    if (block_bytes(b)) shift = 0;  // weights stay where the loader puts them
    auto bytes = static_cast<int64_t>(b.bytes());
    auto *memory = static_cast<uint8_t *>(allocate(bytes + shift)) + shift;
    places_[&b] = memory;
    fill(b, memory);
    return memory;
  }

  static void fill(const Buffer &b, void *memory) {
    auto bytes = static_cast<int64_t>(b.bytes());
    if (size_t size = block_bytes(b)) {
      int64_t blocks = bytes / static_cast<int64_t>(size);
      std::vector<uint8_t> split(b.bytes());
      if (fovea_cuda_split_blocks(b.dtype, b.data(), blocks, split.data(),
                                  split.data() + blocks * static_cast<int64_t>(quant_bytes(b))))
        fail("blocks do not split");
      fovea_emulator_copy(memory, split.data(), bytes);
    } else {
      fovea_emulator_copy(memory, b.data(), bytes);
    }
  }

  static void join(Buffer &b, const std::vector<uint8_t> &bytes) {
    size_t size = block_bytes(b);
    size_t blocks = bytes.size() / size;
    if (fovea_cuda_join_blocks(b.dtype, bytes.data(), bytes.data() + blocks * quant_bytes(b),
                               static_cast<int64_t>(blocks), b.data()))
      fail("blocks do not join");
  }

  static inline std::unique_ptr<Device> open_;
  void *error_ = nullptr;
  std::vector<void *> allocations_;
  std::map<Buffer *, void *> places_;
};

std::vector<uint8_t> host_args(const Call &c) {
  return c.args([](Buffer &b) { return std::tuple<void *, const int32_t *>(b.data(), b.live); });
}

// Whether a kernel takes arguments. Data is not looked at, so that host addresses do.
struct Judge {
  const char *rejects(int32_t kernel, const std::vector<uint8_t> &args) {
    return fovea_cuda_rejects(Device::of(1).cuda, kernel, args.data());
  }
};

int32_t execute(int32_t kernel, const Call &c, int variation) {
  Device &device = Device::of(variation);
  if (!device.cuda) return FOVEA_E_UNSUPPORTED;
  device.clear();
  std::vector<uint8_t> args = device.args(c, variation == 2 ? 4 : 0);
  int64_t bytes = fovea_cuda_scratch_bytes(device.cuda, kernel, args.data());
  void *scratch = nullptr;
  if (bytes) {
    scratch = device.allocate(bytes);
    fovea_emulator_fill(scratch, 0, bytes);
  }
  fovea_cuda_step step{kernel, args.data()};
  int32_t failed = -1, status;
  auto enqueue = [&](void *stream) {
    return fovea_cuda_enqueue(device.cuda, &step, 1, scratch, bytes, stream, &failed,
                              device.message, sizeof device.message);
  };
  if (variation == 3) {
    void *graph = nullptr, *stream = &graph;
    status = fovea_emulator_begin_capture(stream);
    if (!status) status = enqueue(stream);
    if (!status) status = fovea_emulator_end_capture(stream, &graph);
    if (!status) status = fovea_emulator_launch_graph(graph, stream);
    device.refill();  // an op that writes state would else begin from its own result
    if (!status) status = fovea_emulator_launch_graph(graph, stream);
    if (graph) fovea_emulator_free_graph(graph);
  } else {
    status = enqueue(nullptr);
  }
  if (status) {
    fail(device.message);
    Device::of(0);  // a new one: this may be amid a capture
    return status;
  }
  status = fovea_emulator_synchronize(device.message, sizeof device.message);
  if (status) {
    fail(device.message);
    Device::of(0);  // a new one: this may be amid a capture
    return status;
  }
  device.fetch();
  int32_t code = device.error();
  if (code >> 8) fail("an error of step " + std::to_string(code >> 8) + ", not 0");
  return code & 255;
}

[[maybe_unused]] void more_tests() {}

}  // namespace
