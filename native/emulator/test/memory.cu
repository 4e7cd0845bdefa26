// Kernels that are right, and wrong in one way each: addresses, and copies that have not landed.

#include "cuda/kernel.cuh"
#include "test/kernels.h"

// y[i] = x[i], four at a time. x and y have exactly count elements.
// 1: reads past the end; 2: writes past it; 3: reads before the start; 4: from an address that is not a multiple of 16;
// 5: through a null pointer; 6: of memory that was freed (x is).
FOVEA_KERNEL(copy__four, TestParams, 128) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * 4;
  if (p.fault == 1 ? i > p.count : i >= p.count) return;
  const float *x = p.x + i;
  float *y = p.y + i;
  if (p.fault == 1 && i == p.count) y = p.y;
  if (p.fault == 2 && i == p.count - 4) y++;
  if (p.fault == 3 && i == 0) x--;
  if (p.fault == 4) x++, y++;
  if (p.fault == 5) x = nullptr;
  if (p.fault == 2 || p.fault == 3) {
    for (int j = 0; j < 4; j++) y[j] = x[j];
  } else {
    *reinterpret_cast<float4 *>(y) = *reinterpret_cast<const float4 *>(x);
  }
}

// y[i] = x[count - 1 - i] for one block, through shared memory.
// 1: an element past the end of the array; 2: the last never written; 3: a tail of one too many; 4: before the array;
// 5: dynamic shared memory past its end; 6: an array in registers past its end; 7: shared memory as a host pointer's
FOVEA_KERNEL(turn__shared, TestParams, 128) {
  FOVEA_SHARED_BYTES(bytes);
  FOVEA_SHARED(float, line, 100);
  auto *more = reinterpret_cast<float *>(bytes);
  int t = static_cast<int>(threadIdx.x);
  int end = p.fault == 2 ? p.count - 1 : p.count;
  if (t < end) line[t] = p.x[t];
  if (p.fault == 1 && t == 0) (&line[0])[p.count] = 0;
  if (p.fault == 4 && t == 0) (&line[0])[-1] = 0;
  if (t < 8) more[t] = 1;
  if (p.fault == 5 && t == 0) more[8] = 1;
  if (p.fault == 6) {
    float four[4] = {1, 2, 3, 4};
    if (t == 0) p.y[0] = four[p.count];
  }
  __syncthreads();
  if (p.fault == 3 ? t <= p.count : t < p.count)
    p.y[t] = (&line[0])[p.fault == 3 ? t : p.count - 1 - t];
}

// Bytes and halves of a word that belong to different threads; y[0] is their sum.
// 1: a byte read without a barrier; 2: a byte never written.
FOVEA_KERNEL(parts__shared, TestParams, 64) {
  FOVEA_SHARED(uint8_t, bytes, 67);
  FOVEA_SHARED(uint16_t, halves, 64);
  int t = static_cast<int>(threadIdx.x);
  bytes[t] = static_cast<uint8_t>(t);
  halves[t] = static_cast<uint16_t>(t);
  if (p.fault != 2 && t < 3) bytes[64 + t] = 0;
  if (p.fault != 1) __syncthreads();
  if (t == 0) {
    int sum = 0;
    for (int i = 0; i < 67; i++) sum += bytes[i];
    const auto *words = reinterpret_cast<const uint32_t *>(halves);
    for (int i = 0; i < 32; i++) sum += static_cast<int>((words[i] & 0xffff) + (words[i] >> 16));
    p.y[0] = static_cast<float>(sum);
  }
}

// y[tile] = the sum of x over a tile of 128, three tiles under way at once.
// 1: waits for one group too few; 2: no wait; 3: no barrier after the wait; 4: no barrier before the buffer is used again;
// 5: from an address that is not a multiple of 16; 6: reads past the end of x.
FOVEA_KERNEL(tiles__pipeline, TestParams, 32) {
  FOVEA_SHARED(float, tile, 3 * 128);
  int t = static_cast<int>(threadIdx.x);
  int tiles = p.count / 128;
  auto fetch = [&](int i) {
    const float *from = p.x + i * 128 + t * 4 + (p.fault == 5);
    if (p.fault == 6) from += 128;
    if (i < tiles) cp_async16(&tile[i % 3 * 128 + t * 4], from);
    cp_async_commit();
  };
  fetch(0);
  fetch(1);
  for (int i = 0; i < tiles; i++) {
    if (p.fault == 1) cp_async_wait<2>();
    if (p.fault != 1 && p.fault != 2) cp_async_wait<1>();
    if (p.fault != 3) __syncthreads();
    float sum = 0;
    for (int j = 0; j < 4; j++) sum += tile[i % 3 * 128 + j * 32 + (t + 1) % 32];
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    if (t == 0) p.y[i] = sum;
    // The buffer that the next copy goes to was read in the turn before, on the far side of the barrier.
    if (p.fault == 4) {
      if (i + 3 < tiles) cp_async16(&tile[i % 3 * 128 + t * 4], p.x + (i + 3) * 128 + t * 4);
      cp_async_commit();
    } else {
      fetch(i + 2);
    }
  }
}

// The last piece of x is shorter than 16 bytes and comes as zeros; y[0] is the sum.
FOVEA_KERNEL(tail__zeros, TestParams, 32) {
  FOVEA_SHARED(float, piece, 128);
  int t = static_cast<int>(threadIdx.x);
  cp_async16(&piece[t * 4], p.x + t * 4, t * 4 + 4 <= p.count);
  cp_async_commit();
  cp_async_wait<0>();
  float sum = 0;
  for (int j = 0; j < 4; j++) sum += piece[t * 4 + j];
  for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
  if (t == 0) p.y[0] = sum;
}

// y[i] += x[i]; x is not written while kernels run, y is by the kernel before.
// 1: reads y before it waits; 2: writes y before; 3: does not wait.
FOVEA_KERNEL(accumulate__overlap, TestParams, 128) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float x = p.x[i];
  pdl_launch();
  float early = p.fault == 1 ? p.y[i] : 0;
  if (p.fault == 2) p.y[i] = 0;
  if (p.fault != 3) pdl_wait();
  if (p.fault != 3) p.y[i] = (p.fault == 1 ? early : p.y[i]) + x;
}
