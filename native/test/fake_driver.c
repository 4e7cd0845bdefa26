/*
 * A libcuda.so.1 for tests on machines without one: modules are NUL-separated lists of kernel names, launches are counted and
 * the last one is kept, and the last tensor map's arguments. As old as CUDA 12.0: cuFuncGetParamInfo is not there.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { INVALID_VALUE = 1, INVALID_CONTEXT = 201, NOT_FOUND = 500 };
enum { FAKE_DECLARED = 10000 }; /* bytes of shared arrays in every kernel */

EXPORT int fake_current = 1; /* whether a context is current */
EXPORT int fake_capability = 90;
EXPORT int fake_ptx = 90;
EXPORT int fake_shared = 232448; /* bytes of shared memory of a block */
EXPORT int fake_loaded = 0;      /* modules loaded and not unloaded */
EXPORT int fake_launches = 0;
EXPORT int fake_fails = 0; /* what the next launches return */
EXPORT const char *fake_kernel = NULL;
EXPORT unsigned fake_config[9]; /* grid, block, shared memory, attributes, the id of the first */
EXPORT void *fake_stream = NULL;
EXPORT const void *fake_param = NULL; /* where the last launch's params lay */
EXPORT int fake_maps = 0;
EXPORT int
    fake_map[7]; /* type, rank, interleave, swizzle, promotion, fill, step between elements */
EXPORT const void *fake_matrix = NULL;
EXPORT uint64_t fake_extents[3]; /* columns, rows, bytes from one row to the next */
EXPORT unsigned fake_box[2];

EXPORT int cuCtxGetDevice(int *device) {
  *device = 0;
  return fake_current ? 0 : INVALID_CONTEXT;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75   ? fake_capability / 10
           : attribute == 76 ? fake_capability % 10
           : attribute == 16 ? 132
                             : fake_shared;
  return 0;
}

EXPORT int cuModuleLoadData(void **module, const void *image) {
  *module = (void *)(uintptr_t)image;
  if (!strcmp(image, "broken")) return 200;
  fake_loaded++;
  return 0;
}

EXPORT int cuModuleUnload(void *module) {
  (void)module;
  fake_loaded--;
  return 0;
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) {
  const char *known = module;
  for (; *known; known += strlen(known) + 1) {
    if (!strcmp(known, name)) {
      *function = (void *)(uintptr_t)known;
      return 0;
    }
  }
  return NOT_FOUND;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, void *function) {
  (void)function;
  *value = attribute == 1 ? FAKE_DECLARED : fake_ptx;
  return 0;
}

EXPORT int cuFuncSetAttribute(void *function, int attribute, int value) {
  (void)function;
  return attribute == 8 && value > 48 * 1024 && value <= fake_shared - FAKE_DECLARED
             ? 0
             : INVALID_VALUE;
}

EXPORT int fake_resident = 1; /* blocks of any kernel on a multiprocessor */

EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                       size_t shared_bytes) {
  (void)function, (void)threads, (void)shared_bytes;
  *blocks = fake_resident;
  return 0;
}

EXPORT int cuLaunchKernelEx(const void *config, void *function, void **params, void **extra) {
  const unsigned *words = config;
  if (fake_fails) return fake_fails;
  if (!params[0] || extra) return INVALID_VALUE;
  memcpy(fake_config, words, 7 * sizeof *words);
  memcpy(&fake_stream, (const char *)config + 32, sizeof fake_stream);
  memcpy(&fake_config[7], (const char *)config + 48, sizeof *words);
  if (fake_config[7]) {
    const unsigned *first;
    memcpy(&first, (const char *)config + 40, sizeof first);
    fake_config[8] = *first;
  }
  fake_kernel = function;
  fake_param = params[0];
  fake_launches++;
  return 0;
}

EXPORT int cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address,
                                  const uint64_t *extents, const uint64_t *strides,
                                  const uint32_t *box, const uint32_t *element_strides,
                                  int interleave, int swizzle, int promotion, int fill) {
  const int words[] = {
      type, (int)rank, interleave, swizzle, promotion, fill, (int)element_strides[0]};
  if ((uintptr_t)map % 128 || (uintptr_t)address % 16 || strides[0] % 16) return INVALID_VALUE;
  memcpy(fake_map, words, sizeof words);
  memset(map, 0x5a, 128);
  fake_matrix = address;
  fake_extents[0] = extents[0];
  fake_extents[1] = extents[1];
  fake_extents[2] = strides[0];
  fake_box[0] = box[0];
  fake_box[1] = box[1];
  fake_maps++;
  return 0;
}

EXPORT int cuGetErrorName(int error, const char **text) {
  *text = error == 200         ? "CUDA_ERROR_INVALID_IMAGE"
          : error == NOT_FOUND ? "CUDA_ERROR_NOT_FOUND"
                               : "CUDA_ERROR_OF_THE_TEST";
  return 0;
}

EXPORT int cuGetErrorString(int error, const char **text) {
  (void)error;
  *text = "an explanation";
  return 0;
}
