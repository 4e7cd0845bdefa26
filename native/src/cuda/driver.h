// The part of the CUDA driver API that launching needs, declared here so that no CUDA header is needed to build, and reached
// through a table so that the emulator can stand in for the driver. Names, numbers and layouts are those of cuda.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace fovea {

extern "C" {

typedef int CUresult;  // 0: CUDA_SUCCESS
typedef int CUdevice;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;

enum {
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH = 95,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
};

enum {
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_PTX_VERSION = 5,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
};

enum {
  CU_LAUNCH_ATTRIBUTE_COOPERATIVE = 2,
  CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4,
  CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6
};

typedef struct CUlaunchAttribute {
  int id;
  int pad;
  union {
    char pad[64];
    struct {
      unsigned x, y, z;
    } clusterDim;
    int programmaticStreamSerializationAllowed;
    int cooperative;
  } value;
} CUlaunchAttribute;

typedef struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
} CUlaunchConfig;

enum { CU_TENSOR_MAP_DATA_TYPE_FLOAT16 = 6, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 };
enum { CU_TENSOR_MAP_SWIZZLE_128B = 3, CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 };
static_assert(sizeof(CUlaunchAttribute) == 72 && offsetof(CUlaunchAttribute, value) == 8);
static_assert(sizeof(CUlaunchConfig) == 56 && offsetof(CUlaunchConfig, hStream) == 32);

// What cuda.h calls cuName is the member Name here; *_v2 and the like are spelled out where they differ.
struct Driver {
  CUresult (*CtxGetDevice)(CUdevice *device);
  CUresult (*DeviceGetAttribute)(int *value, int attribute, CUdevice device);
  CUresult (*ModuleLoadData)(CUmodule *module, const void *image);
  CUresult (*ModuleUnload)(CUmodule module);
  CUresult (*ModuleGetFunction)(CUfunction *function, CUmodule module, const char *name);
  CUresult (*FuncGetAttribute)(int *value, int attribute, CUfunction function);
  CUresult (*FuncSetAttribute)(CUfunction function, int attribute, int value);
  // Offset and size of parameter `index`; fails past the last. Missing (null) before CUDA 12.4.
  CUresult (*FuncGetParamInfo)(CUfunction function, size_t index, size_t *offset, size_t *bytes);
  // Blocks of so many threads and so much dynamic shared memory that a multiprocessor holds at once.
  CUresult (*OccupancyMaxActiveBlocksPerMultiprocessor)(int *blocks, CUfunction function,
                                                        int threads, size_t shared_bytes);
  CUresult (*LaunchKernelEx)(const CUlaunchConfig *config, CUfunction function, void **params,
                             void **extra);
  // map: 128 bytes at a multiple of 128. extents, box: innermost first; strides: bytes, of all axes but the innermost.
  CUresult (*TensorMapEncodeTiled)(void *map, int type, uint32_t rank, void *address,
                                   const uint64_t *extents, const uint64_t *strides,
                                   const uint32_t *box, const uint32_t *element_strides,
                                   int interleave, int swizzle, int promotion, int fill);
  CUresult (*GetErrorName)(CUresult error, const char **text);
  CUresult (*GetErrorString)(CUresult error, const char **text);
};

}  // extern "C"

// The driver of this process, or nullptr and why there is none. Defined once by driver.cpp, which opens libcuda.so.1, and once
// by native/emulator; a library links one of them.
const Driver *find_driver(const char **why);

// Whether the kernels are part of this library, as the emulator's are, so that there are no modules to load:
// ModuleGetFunction then takes a null module.
extern const bool KERNELS_BUILT_IN;

}  // namespace fovea
