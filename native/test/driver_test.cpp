// libfovea_cuda against a fake driver (fake_driver.c): modules and their kernels as nvcc built them, the shape of a launch, what
// is said when the driver refuses. Argument: the folder of the *.usage files. Where there is a cuda.h, driver.h is held to it.

#include "cuda/driver.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "cuda/tensor_map.h"
#include "fovea/cuda.h"

#if __has_include(<cuda.h>)
#include <cuda.h>
namespace {
using Ours = fovea::CUlaunchConfig;
using Attribute = fovea::CUlaunchAttribute;
#define SAME(type, ours, field) static_assert(offsetof(::type, field) == offsetof(ours, field))
SAME(CUlaunchConfig, Ours, gridDimX);
SAME(CUlaunchConfig, Ours, gridDimZ);
SAME(CUlaunchConfig, Ours, blockDimX);
SAME(CUlaunchConfig, Ours, blockDimZ);
SAME(CUlaunchConfig, Ours, sharedMemBytes);
SAME(CUlaunchConfig, Ours, hStream);
SAME(CUlaunchConfig, Ours, attrs);
SAME(CUlaunchConfig, Ours, numAttrs);
SAME(CUlaunchAttribute, Attribute, id);
SAME(CUlaunchAttribute, Attribute, value.clusterDim);
SAME(CUlaunchAttribute, Attribute, value.cooperative);
SAME(CUlaunchAttribute, Attribute, value.programmaticStreamSerializationAllowed);
static_assert(sizeof(::CUlaunchConfig) == sizeof(Ours));
static_assert(sizeof(::CUlaunchAttribute) == sizeof(Attribute));
#define EQUAL(name) static_assert(static_cast<int>(::name) == static_cast<int>(fovea::name))
EQUAL(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
EQUAL(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
EQUAL(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
EQUAL(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
EQUAL(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
EQUAL(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
EQUAL(CU_FUNC_ATTRIBUTE_PTX_VERSION);
EQUAL(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
EQUAL(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH);
EQUAL(CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
EQUAL(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
EQUAL(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
EQUAL(CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
EQUAL(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
EQUAL(CU_TENSOR_MAP_SWIZZLE_128B);
EQUAL(CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
static_assert(CU_TENSOR_MAP_INTERLEAVE_NONE == 0 && CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE == 0);
static_assert(sizeof(::CUtensorMap) == sizeof(TensorMap) &&
              alignof(::CUtensorMap) <= alignof(TensorMap));
}  // namespace
#endif

extern "C" {
extern int fake_current, fake_capability, fake_ptx, fake_loaded, fake_launches, fake_fails,
    fake_resident, fake_shared;
extern const char *fake_kernel;
extern unsigned fake_config[9];
extern void *fake_stream;
extern int fake_maps, fake_map[7];
extern const void *fake_matrix, *fake_param;
extern uint64_t fake_extents[3];
extern unsigned fake_box[2];
}

namespace {

int failures = 0;

void expect(bool holds, const char *what, int line) {
  if (holds) return;
  printf("%s:%d: %s does not hold\n", __FILE__, line, what);
  failures++;
}
#define CHECK(condition) expect(condition, #condition, __LINE__)

// The kernels that ptxas compiled, each name ended by NUL, and one more at the end.
std::string kernels_of(const std::string &usage) {
  std::ifstream file(usage);
  std::string names, text;
  while (std::getline(file, text)) {
    if (text.find("Compiling entry function") == std::string::npos) continue;
    size_t from = text.find('\'') + 1;
    names += text.substr(from, text.find('\'', from) - from) + '\0';
  }
  return names + '\0';
}

fovea_tensor matrix(void *data, int32_t rows, int32_t columns) {
  return {data, nullptr, FOVEA_F32, 2, {rows, columns, 1, 1}};
}

// Structs of nothing, and of noise, in memory of exactly their size.
void check_rejects(const fovea_cuda *cuda) {
  uint64_t state = 0x9e3779b97f4a7c15;
  for (int32_t i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel k;
    CHECK(fovea_cuda_kernel_at(i, &k) == FOVEA_OK);
    std::vector<uint8_t> args(static_cast<size_t>(k.args_bytes));
    CHECK(fovea_cuda_rejects(cuda, i, args.data()) != nullptr);
    for (int round = 0; round < 2000; round++) {
      for (uint8_t &b : args) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Mostly zeros and small numbers, so that some get past the first checks.
        b = static_cast<uint8_t>(state >> 32 & 7 ? state >> 40 & 3 : state >> 40);
        if ((&b - args.data()) % 4 != 0 && state >> 60) b = 0;
      }
      fovea_cuda_rejects(cuda, i, args.data());
    }
  }
}

// Tensor maps of a linear map's operands, as the driver is asked for them.
void check_maps(fovea_cuda *cuda) {
  alignas(256) static uint8_t weights[96 * 200 * 2 + 16], scratch[200000];
  static float x[150 * 200], y[150 * 96];
  fovea_linear_args args{};
  args.x = matrix(x, 150, 200);
  args.y = matrix(y, 150, 96);
  fovea_cuda_step step{-1, &args};
  char message[300] = "";
  for (int32_t i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel k;
    if (fovea_cuda_kernel_at(i, &k) == FOVEA_OK && !strcmp(k.op, "linear") &&
        !strcmp(k.variant, "wgmma") && !strcmp(k.signature, "f32,bf16,_->f32"))
      step.kernel = i;
  }
  auto enqueue = [&](int32_t offset) {
    args.w = matrix(weights + offset, 96, 200);
    args.w.dtype = FOVEA_BF16;
    CHECK(fovea_cuda_scratch_bytes(cuda, step.kernel, &args) <=
          static_cast<int64_t>(sizeof scratch));
    fake_maps = 0;
    return fovea_cuda_enqueue(cuda, &step, 1, scratch, sizeof scratch, nullptr, nullptr, message,
                              sizeof message);
  };
  CHECK(enqueue(0) == FOVEA_OK && fake_maps == 2 && fake_matrix == weights);
  CHECK(!strcmp(fake_kernel, "linear_bf16__wgmma128"));
  CHECK(fake_config[0] == 2 && fake_config[1] == 1 && fake_config[3] == 384);
  CHECK(fake_extents[0] == 200 && fake_extents[1] == 96 && fake_extents[2] == 400);
  CHECK(fake_box[0] == 64 && fake_box[1] == 128);
  const int words[] = {
      fovea::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,   2, 0, fovea::CU_TENSOR_MAP_SWIZZLE_128B,
      fovea::CU_TENSOR_MAP_L2_PROMOTION_L2_256B, 0, 1};
  CHECK(!memcmp(fake_map, words, sizeof words));
  CHECK(reinterpret_cast<uintptr_t>(fake_param) % alignof(TensorMap) == 0);
  // Weights that have no tensor map: x's alone is made, of rows padded to whole boxes.
  CHECK(enqueue(2) == FOVEA_OK && fake_maps == 1 && fake_matrix != weights);
  CHECK(fake_extents[0] == 256 && fake_extents[1] == 150 && fake_extents[2] == 512);
}

// Two norms become one launch, and what follows is launched by itself.
void check_persistent(fovea_cuda *cuda, const fovea_cuda_step &add, float *memory) {
  fovea_rms_norm_args norm{};
  norm.x = matrix(memory, 2, 1000);
  norm.g = matrix(memory + 4000, 1, 1000);
  norm.g.rank = 1;
  norm.g.dim[0] = 1000;
  norm.g.dim[1] = 1;
  norm.y = matrix(memory + 8000, 2, 1000);
  norm.eps = 1e-5;
  fovea_cuda_step steps[] = {{-1, &norm}, {-1, &norm}, add, {-1, &norm}};
  for (int32_t i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel k;
    if (fovea_cuda_kernel_at(i, &k) == FOVEA_OK && !strcmp(k.op, "rms_norm"))
      steps[0].kernel = steps[1].kernel = steps[3].kernel = i;
  }
  CHECK(fovea_cuda_rejects_persistent(cuda) == nullptr);
  fake_resident = 0;
  CHECK(strstr(fovea_cuda_rejects_persistent(cuda), "does not hold a block"));
  fake_resident = 1;

  char message[300] = "";
  int32_t failed = -1;
  int64_t bytes = -1;
  fake_launches = 0;
  CHECK(fovea_cuda_table(cuda, steps, 4, nullptr, 0, nullptr, &bytes, message, sizeof message) ==
            FOVEA_OK &&
        bytes > 256);
  std::vector<uint8_t> table(static_cast<size_t>(bytes));
  CHECK(fovea_cuda_table(cuda, steps, 4, nullptr, 0, table.data(), &bytes, message,
                         sizeof message) == FOVEA_OK);
  CHECK(fake_launches == 0);
  auto enqueue = [&](int32_t count) {
    return fovea_cuda_enqueue_persistent(cuda, steps, count, nullptr, 0, table.data(), &failed,
                                         &failed, message, sizeof message);
  };
  CHECK(enqueue(2) == FOVEA_OK && fake_launches == 1);
  CHECK(!strcmp(fake_kernel, "persistent_f32_64__rows1") && fake_stream == &failed);
  CHECK(fake_config[0] == 132 && fake_config[1] == 1 && fake_config[3] == 512);
  CHECK(fake_config[7] == 1 && fake_config[8] == fovea::CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
  CHECK(enqueue(4) == FOVEA_OK && fake_launches == 4 && !strcmp(fake_kernel, "rms_norm__four"));
  fake_fails = 720;  // more blocks than fit
  CHECK(enqueue(2) == FOVEA_E_UNSUPPORTED && failed == 1);
  CHECK(strstr(message, "kernel persistent_f32_64__rows1: CUDA_ERROR_OF_THE_TEST"));
  CHECK(enqueue(4) == FOVEA_E_UNSUPPORTED && failed == 2);
  CHECK(strstr(message, "kernel persistent_f32_64__rows1: CUDA_ERROR_OF_THE_TEST"));
  fake_fails = 0;
  CHECK(fovea_cuda_table(cuda, steps + 2, 2, nullptr, 0, nullptr, &bytes, message,
                         sizeof message) == FOVEA_OK &&
        bytes == 0);
  CHECK(fovea_cuda_enqueue_persistent(cuda, steps, 2, nullptr, 0, nullptr, nullptr, &failed,
                                      message, sizeof message) == FOVEA_E_ARGUMENT);
}

void run(const std::string &folder) {
  std::vector<std::string> names;
  std::vector<fovea_cuda_module> modules;
  for (int32_t i = 0; i < fovea_cuda_module_count(); i++)
    names.push_back(kernels_of(folder + "/" + fovea_cuda_module_at(i) + ".usage"));
  for (int32_t i = 0; i < fovea_cuda_module_count(); i++) {
    const std::string &name = names[static_cast<size_t>(i)];
    modules.push_back({fovea_cuda_module_at(i), name.data(), static_cast<int64_t>(name.size())});
  }
  auto count = static_cast<int32_t>(modules.size());
  int32_t error = 0;
  char message[300] = "";
  fovea_cuda *cuda = nullptr;
  auto open = [&] {
    return fovea_cuda_open(modules.data(), count, &error, &cuda, message, sizeof message);
  };

  fake_current = 0;
  CHECK(open() == FOVEA_E_UNSUPPORTED && strstr(message, "CUDA_ERROR_OF_THE_TEST"));
  fake_current = 1;
  fake_capability = 75;
  CHECK(open() == FOVEA_E_UNSUPPORTED && strstr(message, "7.5"));
  fake_capability = 90;
  const fovea_cuda_module last = modules.back();
  modules.back().name = "other";
  CHECK(open() == FOVEA_E_ARGUMENT && strstr(message, "no image") && strstr(message, last.name));
  modules.back() = {last.name, "broken", 7};
  CHECK(open() == FOVEA_E_UNSUPPORTED && strstr(message, "CUDA_ERROR_INVALID_IMAGE"));
  modules.back() = {last.name, "something__else\0", 17};
  CHECK(open() == FOVEA_E_ARGUMENT && strstr(message, "has no kernel"));
  modules.back() = last;
  CHECK(fake_loaded == 0 && cuda == nullptr);

  int32_t status = open();
  if (status != FOVEA_OK) printf("%s\n", message);
  CHECK(status == FOVEA_OK && fake_loaded == count);
  if (status != FOVEA_OK) return;

  alignas(16) static float memory[3 * 4 * 1000];
  fovea_add_args add{};
  add.a = matrix(memory, 4, 1000);
  add.b = matrix(memory + 4000, 4, 1000);
  add.y = matrix(memory + 8000, 4, 1000);
  fovea_cuda_step steps[2] = {{-1, &add}, {-1, &add}};
  for (int32_t i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel k;
    if (fovea_cuda_kernel_at(i, &k) == FOVEA_OK && !strcmp(k.op, "add"))
      steps[0].kernel = steps[1].kernel = i;
  }
  check_rejects(cuda);

  check_maps(cuda);
  fake_launches = 0;

  int32_t failed = -1;
  auto enqueue = [&] {
    return fovea_cuda_enqueue(cuda, steps, 2, nullptr, 0, &failed, &failed, message,
                              sizeof message);
  };
  CHECK(enqueue() == FOVEA_OK && fake_launches == 2);
  CHECK(fake_kernel && !strcmp(fake_kernel, "add__four"));
  CHECK(fake_config[0] == 4 && fake_config[1] == 1 && fake_config[2] == 1);
  CHECK(fake_config[3] == 256 && fake_config[4] == 1 && fake_config[5] == 1);
  CHECK(fake_config[6] == 0 && fake_config[7] == 1 && fake_stream == &failed);
  CHECK(fake_config[8] == fovea::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
  add.b.data = memory + 3999;
  CHECK(enqueue() == FOVEA_OK && !strcmp(fake_kernel, "add__one") && fake_config[0] == 16);
  fake_fails = 700;
  CHECK(enqueue() == FOVEA_E_UNSUPPORTED && failed == 0 && fake_launches == 4);
  CHECK(strstr(message, "step 0, add (four), kernel add__one: CUDA_ERROR_OF_THE_TEST"));
  fake_fails = 0;
  check_persistent(cuda, steps[0], memory);
  fovea_cuda_close(cuda);
  CHECK(fake_loaded == 0);

  // Little shared memory: everything loads, and the persistent kernel says what it wants.
  fake_shared = 99 << 10;
  CHECK(open() == FOVEA_OK);
  CHECK(strstr(fovea_cuda_rejects_persistent(cuda), "shared memory"));
  fovea_cuda_close(cuda);
  fake_shared = 232448;

  // Code that the driver made from PTX for 8.0 has no instruction to wait with: nothing may overlap.
  fake_fails = 0;
  fake_ptx = 80;
  CHECK(open() == FOVEA_OK && enqueue() == FOVEA_OK && fake_config[7] == 0);
  CHECK(strstr(fovea_cuda_rejects_persistent(cuda), "no code for this device"));
  fovea_cuda_close(cuda);
}

}  // namespace

int main(int, char **arguments) {
  run(arguments[1]);
  printf("%s\n", failures ? "FAILED" : "passed");
  return failures != 0;
}
