// The driver table from native/emulator, whose kernels are part of the library.

#include "driver.h"
#include "emulator/driver.h"

namespace fovea {

const bool KERNELS_BUILT_IN = true;

namespace {

// Numbers of cuda.h.
constexpr CUresult INVALID_VALUE = 1, INVALID_CONTEXT = 201, NOT_FOUND = 500;

// Why the emulator refused this thread's latest launch.
thread_local const char *refusal = "CUDA_ERROR_INVALID_VALUE";

const emulator::Function &from(CUfunction function) {
  return *reinterpret_cast<const emulator::Function *>(function);
}

CUresult context_device(CUdevice *device) {
  *device = 0;
  return emulator::capability() ? 0 : INVALID_CONTEXT;
}

CUresult device_attribute(int *value, int attribute, CUdevice) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = emulator::capability() / 10;
      return 0;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = emulator::capability() % 10;
      return 0;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = emulator::multiprocessors();
      return 0;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = emulator::shared_bytes();
      return 0;
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
      *value = 1;
      return 0;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      *value = 32 << 20;
      return 0;
    default:
      return INVALID_VALUE;
  }
}

CUresult no_modules(CUmodule *, const void *) { return INVALID_VALUE; }
CUresult nothing_to_unload(CUmodule) { return 0; }

CUresult module_function(CUfunction *function, CUmodule, const char *name) {
  const emulator::Function *found = emulator::find(name);
  *function = reinterpret_cast<CUfunction>(const_cast<emulator::Function *>(found));
  return found ? 0 : NOT_FOUND;
}

CUresult function_attribute(int *value, int attribute, CUfunction) {
  if (attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) return *value = 0, 0;  // is seen as it runs
  if (attribute != CU_FUNC_ATTRIBUTE_PTX_VERSION) return INVALID_VALUE;
  *value = emulator::capability();
  return 0;
}

CUresult set_function_attribute(CUfunction function, int attribute, int value) {
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return INVALID_VALUE;
  from(function).dynamic_shared_bytes = value;
  return 0;
}

CUresult function_params(CUfunction function, size_t index, size_t *offset, size_t *bytes) {
  if (index != 0) return INVALID_VALUE;
  *offset = 0;
  *bytes = from(function).params_bytes;
  return 0;
}

// One, as kernels are built for; it is not asked what they declare.
CUresult resident_blocks(int *blocks, CUfunction, int threads, size_t shared_bytes) {
  *blocks = threads <= 1024 && shared_bytes <= static_cast<size_t>(emulator::shared_bytes());
  return 0;
}

CUresult launch(const CUlaunchConfig *config, CUfunction function, void **params, void **) {
  emulator::Launch how;
  how.grid = {config->gridDimX, config->gridDimY, config->gridDimZ};
  how.block = {config->blockDimX, config->blockDimY, config->blockDimZ};
  how.shared_bytes = config->sharedMemBytes;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    const CUlaunchAttribute &a = config->attrs[i];
    if (a.id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
      how.cluster = static_cast<int>(a.value.clusterDim.x);
    if (a.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
      how.overlap = a.value.programmaticStreamSerializationAllowed != 0;
    if (a.id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) how.cooperative = a.value.cooperative != 0;
  }
  const char *why = emulator::launch(from(function), how, params[0], config->hStream);
  if (!why) return 0;
  refusal = why;
  return INVALID_VALUE;
}

CUresult error_name(CUresult error, const char **text) {
  *text = error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
          : error == NOT_FOUND     ? "CUDA_ERROR_NOT_FOUND"
                                   : refusal;
  return 0;
}

CUresult error_string(CUresult error, const char **text) {
  *text = error == INVALID_CONTEXT ? "no emulated device is open" : "";
  return 0;
}

const Driver TABLE{context_device,
                   device_attribute,
                   no_modules,
                   nothing_to_unload,
                   module_function,
                   function_attribute,
                   set_function_attribute,
                   function_params,
                   resident_blocks,
                   launch,
                   emulator::encode_tensor_map,
                   error_name,
                   error_string};

}  // namespace

const Driver *find_driver(const char **why) {
  *why = nullptr;
  return &TABLE;
}

}  // namespace fovea
