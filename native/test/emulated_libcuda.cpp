// A libcuda.so.1 for machines without a GPU, for the tests that want one: the calls that Fovea makes, through JCuda too, end in the
// emulated device. A module of device code is taken for whatever the emulator was built with.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/driver.h"
#include "fovea/cuda.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace fovea;

namespace {

enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_CONTEXT = 201,
  LAUNCH_FAILED = 719
};

int retained = 0;
thread_local void *current = nullptr;
void *const CONTEXT = &retained;

const Driver &table() {
  const char *why;
  return *find_driver(&why);
}

CUresult said(int32_t status) { return status == FOVEA_OK ? SUCCESS : INVALID_VALUE; }

// The calls that need a context fail as on a device where none is current.
template <class Call>
CUresult within_context(Call call) {
  return current && retained > 0 ? call() : INVALID_CONTEXT;
}

}  // namespace

EXPORT CUresult cuInit(unsigned flags) { return flags ? INVALID_VALUE : SUCCESS; }
EXPORT CUresult cuDriverGetVersion(int *version) { return *version = 12090, SUCCESS; }
EXPORT CUresult cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
EXPORT CUresult cuDeviceGet(CUdevice *device, int index) {
  return *device = index, index == 0 ? SUCCESS : 101;
}
EXPORT CUresult cuDeviceGetName(char *name, int bytes, CUdevice) {
  strncpy(name, "Emulated GPU", static_cast<size_t>(bytes));
  return SUCCESS;
}
EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  return *bytes = size_t{1} << 34, SUCCESS;
}
EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  if (!retained) {
    // Asked before the device is opened: what it will be.
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) return *value = 9, SUCCESS;
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) return *value = 0, SUCCESS;
  }
  return table().DeviceGetAttribute(value, attribute, device);
}
EXPORT CUresult cuDevicePrimaryCtxRetain(void **context, CUdevice) {
  if (retained == 0 && fovea_emulator_open(1, 90, 8) != FOVEA_OK) return INVALID_VALUE;
  retained++;
  return *context = CONTEXT, SUCCESS;
}
EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  if (retained == 0) return INVALID_CONTEXT;
  if (--retained == 0) {
    // Everything must have been given back by then.
    if (fovea_emulator_live(nullptr) != 0) return INVALID_VALUE;
    fovea_emulator_close();
  }
  return SUCCESS;
}
EXPORT CUresult cuCtxSetCurrent(void *context) {
  return current = context, context == CONTEXT || !context ? SUCCESS : INVALID_CONTEXT;
}
EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
  return within_context([&] { return table().CtxGetDevice(device); });
}

EXPORT CUresult cuMemAlloc_v2(void **memory, size_t bytes) {
  return within_context([&] {
    *memory = fovea_emulator_allocate(static_cast<int64_t>(bytes));
    return *memory ? SUCCESS : OUT_OF_MEMORY;
  });
}
EXPORT CUresult cuMemFree_v2(void *memory) {
  return within_context([&] { return said(fovea_emulator_free(memory)); });
}
EXPORT CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return *free = *total = size_t{1} << 34, SUCCESS;
}
EXPORT CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  return within_context([&] { return (*memory = malloc(bytes)) ? SUCCESS : OUT_OF_MEMORY; });
}
EXPORT CUresult cuMemFreeHost(void *memory) {
  return within_context([&] { return free(memory), SUCCESS; });
}
EXPORT CUresult cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, CUstream) {
  return within_context(
      [&] { return said(fovea_emulator_copy(to, from, static_cast<int64_t>(bytes))); });
}
EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, CUstream) {
  return within_context(
      [&] { return said(fovea_emulator_copy(to, from, static_cast<int64_t>(bytes))); });
}
EXPORT CUresult cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, CUstream) {
  return within_context(
      [&] { return said(fovea_emulator_copy(to, from, static_cast<int64_t>(bytes))); });
}
EXPORT CUresult cuMemsetD8Async(void *to, unsigned char byte, size_t bytes, CUstream) {
  return within_context(
      [&] { return said(fovea_emulator_fill(to, byte, static_cast<int64_t>(bytes))); });
}

EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned) {
  return within_context([&] { return *stream = static_cast<CUstream>(malloc(1)), SUCCESS; });
}
EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
  return within_context([&] { return free(stream), SUCCESS; });
}
EXPORT CUresult cuStreamSynchronize(CUstream) {
  return within_context(
      [&] { return fovea_emulator_synchronize(nullptr, 0) == FOVEA_OK ? SUCCESS : LAUNCH_FAILED; });
}
EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, int) {
  return within_context([&] { return said(fovea_emulator_begin_capture(stream)); });
}
EXPORT CUresult cuStreamEndCapture(CUstream stream, void **graph) {
  return within_context([&] { return said(fovea_emulator_end_capture(stream, graph)); });
}
// A recording and what is made of it are one here: the second owns it.
EXPORT CUresult cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
  return *executable = graph, SUCCESS;
}
EXPORT CUresult cuGraphDestroy(void *) { return SUCCESS; }
EXPORT CUresult cuGraphExecDestroy(void *executable) {
  return fovea_emulator_free_graph(executable), SUCCESS;
}
EXPORT CUresult cuGraphLaunch(void *executable, CUstream stream) {
  return within_context([&] { return said(fovea_emulator_launch_graph(executable, stream)); });
}
EXPORT CUresult cuEventCreate(void **event, unsigned) { return *event = malloc(1), SUCCESS; }
EXPORT CUresult cuEventDestroy_v2(void *event) { return free(event), SUCCESS; }
EXPORT CUresult cuEventRecord(void *, CUstream) { return SUCCESS; }
EXPORT CUresult cuEventSynchronize(void *) {
  return fovea_emulator_synchronize(nullptr, 0) == FOVEA_OK ? SUCCESS : LAUNCH_FAILED;
}

EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  // The magic number of a fatbin.
  if (*static_cast<const uint32_t *>(image) != 0xba55ed50) return INVALID_VALUE;
  return *module = static_cast<CUmodule>(malloc(1)), SUCCESS;
}
EXPORT CUresult cuModuleUnload(CUmodule module) { return free(module), SUCCESS; }
EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule, const char *name) {
  return table().ModuleGetFunction(function, nullptr, name);
}
EXPORT CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function) {
  return table().FuncGetAttribute(value, attribute, function);
}
EXPORT CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  return table().FuncSetAttribute(function, attribute, value);
}
EXPORT CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset,
                                   size_t *bytes) {
  return table().FuncGetParamInfo(function, index, offset, bytes);
}
EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function,
                                                            int threads, size_t shared_bytes) {
  return table().OccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared_bytes);
}
EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **params,
                                 void **extra) {
  return within_context([&] { return table().LaunchKernelEx(config, function, params, extra); });
}
EXPORT CUresult cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address,
                                       const uint64_t *extents, const uint64_t *strides,
                                       const uint32_t *box, const uint32_t *element_strides,
                                       int interleave, int swizzle, int promotion, int fill) {
  return table().TensorMapEncodeTiled(map, type, rank, address, extents, strides, box,
                                      element_strides, interleave, swizzle, promotion, fill);
}
EXPORT CUresult cuGetErrorName(CUresult error, const char **text) {
  return table().GetErrorName(error, text);
}
EXPORT CUresult cuGetErrorString(CUresult error, const char **text) {
  return table().GetErrorString(error, text);
}
