// How a kernel is written, for nvcc and for the emulator alike.
//
//   FOVEA_KERNEL(rms_norm__block, RmsNormParams, 256) { ... p.x ... }
//
// A kernel takes one struct by value, named p, and says the largest block it is launched with. Its name is
// <op>[_<weights>]__<how>. Shared memory is declared with FOVEA_SHARED or FOVEA_SHARED_BYTES, never with __shared__, so
// that the emulator knows its bounds. What only PTX can say is in ptx.cuh; float16 and bfloat16 are uint16_t here.
#pragma once

#include <stdint.h>

#if defined(FOVEA_EMULATOR)
#include "emulator/device.h"

#define FOVEA_KERNEL_BLOCKS(name, Params, threads, blocks) FOVEA_KERNEL(name, Params, threads)

#else

#define FOVEA_KERNEL(name, Params, threads) \
  extern "C" __global__ void __launch_bounds__(threads, 1) name(const __grid_constant__ Params p)

// The same, and how many blocks a multiprocessor should hold at once: leave to take registers, where the compiler by itself
// would rather spill a few for the sake of one block more.
#define FOVEA_KERNEL_BLOCKS(name, Params, threads, blocks)      \
  extern "C" __global__ void __launch_bounds__(threads, blocks) \
      name(const __grid_constant__ Params p)

// T name[count], one per block, aligned to 16 bytes (more if T is).
#define FOVEA_SHARED(T, name, count) __shared__ __align__(16) T name[count]

// uint8_t *name: the dynamic shared memory of the launch, 128-byte aligned.
#define FOVEA_SHARED_BYTES(name) extern __shared__ __align__(128) uint8_t name[]

#define FOVEA_DEVICE __device__ __forceinline__

#endif

#include "cuda/ptx.cuh"
