// Kernels that are right, and wrong in one way each: mbarriers, bulk copies, wgmma.

#include "cuda/kernel.cuh"
#include "test/kernels.h"

namespace {

FOVEA_DEVICE uint8_t *aligned(uint8_t *shared, uint32_t alignment) {
  return shared + (alignment - shared_address(shared) % alignment) % alignment;
}

constexpr int STAGES = 2;

// y = a b^T by four warps that multiply and one that copies.
// 1: does not wait for the copies; 2: copies over what is still read; 3: does not wait for the products; 4: no fence before
// them; 5: no async_fence before the result is stored; 6: announces too few bytes; 7: lets go of a buffer before the products
// have read it; 8: ends before its stores have read; 9: the next pieces of a row are 16 bytes on, as if not swizzled.
template <int N, bool BF16>
FOVEA_DEVICE void multiply(const ProductParams &p, uint8_t *shared, uint64_t *full,
                           uint64_t *empty) {
  constexpr int A = 64 * 128, STAGE = A + N * 128;
  uint8_t *ring = aligned(shared, 1024);
  int t = static_cast<int>(threadIdx.x);
  if (t == 0) {
    for (int i = 0; i < STAGES; i++) {
      mbarrier_init(&full[i], 1);
      mbarrier_init(&empty[i], 4);
    }
    mbarrier_made();
    tensor_map_prefetch(&p.a);
  }
  __syncthreads();
  if (t >= 128) {
    if (t == 128) {
      for (int i = 0; i < p.k; i++) {
        int stage = i % STAGES;
        if (p.fault != 2) mbarrier_wait(&empty[stage], (i / STAGES & 1) ^ 1);
        mbarrier_expect(&full[stage], p.fault == 6 ? STAGE - 128 : STAGE);
        tma_load_2d(ring + stage * STAGE, &p.a, i * 64, 0, &full[stage]);
        tma_load_2d(ring + stage * STAGE + A, &p.b, i * 64, 0, &full[stage]);
      }
    }
    return;
  }
  float d[N / 2];
  for (auto &v : d) v = 0;
  for (int i = 0; i < p.k; i++) {
    int stage = i % STAGES;
    if (p.fault != 1) mbarrier_wait(&full[stage], i / STAGES & 1);
    const uint8_t *a = ring + stage * STAGE, *b = a + A;
    if (p.fault != 4) wgmma_fence();
    for (int k = 0; k < 64; k += 16) {
      int element = p.fault == 9 ? k / 2 : k;
      if (BF16)
        wgmma_bf16<N>(d, wgmma_operand(a, element), wgmma_operand(b, k), i + k > 0);
      else
        wgmma_f16<N>(d, wgmma_operand(a, element), wgmma_operand(b, k), i + k > 0);
    }
    wgmma_commit();
    if (p.fault == 7) {
      if (t % 32 == 0) mbarrier_arrive(&empty[stage]);
      wgmma_wait<0>();
    } else {
      // The products of the turn before have been read; those of this one go on.
      wgmma_wait<1>();
      if (i > 0 && t % 32 == 0) mbarrier_arrive(&empty[(i - 1) % STAGES]);
    }
  }
  if (p.fault != 3) wgmma_wait<0>();
  // The result in boxes of 32 columns, 128 bytes a row, where the operands were.
  part_barrier_sync(1, 128);
  int warp = t / 32, g = t % 32 / 4, q = t % 4;
  for (int j = 0; j < N / 2; j++) {
    int row = warp * 16 + g + j / 2 % 2 * 8, column = j / 4 * 8 + q * 2 + j % 2;
    uint32_t at = static_cast<uint32_t>(column / 32 * 64 * 128 + row * 128 + column % 32 * 4);
    *reinterpret_cast<float *>(ring + at) = d[j];
  }
  if (p.fault == 3) wgmma_wait<0>();
  if (p.fault != 5) async_fence();
  part_barrier_sync(1, 128);
  if (t == 0) {
    for (int box = 0; box < N / 32; box++) tma_store_2d(&p.y, box * 32, 0, ring + box * 64 * 128);
    bulk_commit();
    if (p.fault != 8) bulk_wait_read<0>();
  }
}

}  // namespace

#define PRODUCT(name, N, BF16)                 \
  FOVEA_KERNEL(name, ProductParams, 160) {     \
    FOVEA_SHARED_BYTES(shared);                \
    FOVEA_SHARED(uint64_t, full, STAGES);      \
    FOVEA_SHARED(uint64_t, empty, STAGES);     \
    multiply<N, BF16>(p, shared, full, empty); \
  }

PRODUCT(product_f16__64, 64, false)
PRODUCT(product_f16__128, 128, false)
PRODUCT(product_bf16__256, 256, true)

// y[i] = x[count - 1 - i] of one block: a bulk copy in, threads turn it, a bulk copy out. Half of the warps arrive at a barrier,
// the others wait there.
// 1: does not wait for the copy; 2: those who turn do not wait for those who wrote; 3: a barrier of more threads than there are;
// 4: no async_fence; 5: arrives twice, so that a phase passes by; 6: copies 12 bytes.
FOVEA_KERNEL(turn__bulk, TestParams, 128) {
  FOVEA_SHARED(float4, in, 32);
  FOVEA_SHARED(float4, out, 32);
  FOVEA_SHARED(uint64_t, landed, 1);
  auto *from = reinterpret_cast<float *>(in), *to = reinterpret_cast<float *>(out);
  int t = static_cast<int>(threadIdx.x), bytes = p.fault == 6 ? 12 : p.count * 4;
  if (t == 0) {
    mbarrier_init(landed, 1);
    mbarrier_made();
  }
  __syncthreads();
  if (t == 0) {
    mbarrier_expect(landed, bytes);
    bulk_load(in, p.x, bytes, landed);
    if (p.fault == 5) {
      mbarrier_wait(landed, 0);
      mbarrier_arrive(landed);
      mbarrier_arrive(landed);
      mbarrier_wait(landed, 1);
    }
  }
  if (t < 64) {
    if (p.fault != 1) mbarrier_wait(landed, 0);
    for (int i = t; i < p.count; i += 64) to[i] = from[p.count - 1 - i];
    if (p.fault != 4) async_fence();
    part_barrier_arrive(3, p.fault == 3 ? 160 : 128);
  } else {
    if (p.fault != 2) part_barrier_sync(3, p.fault == 3 ? 160 : 128);
    if (t == 64) {
      bulk_store(p.y, out, bytes);
      bulk_commit();
      bulk_wait_read<0>();
    }
  }
}

// Four warps give registers, eight take them. 1: take more than were given; 2: one warp of the four gives none; 3: give more than
// they have.
FOVEA_KERNEL(registers__pool, TestParams, 384) {
  int t = static_cast<int>(threadIdx.x);
  if (t < 128) {
    if (p.fault == 3) {
      registers_give<176>();
    } else if (p.fault != 2 || t < 96) {
      registers_give<40>();
    }
  } else if (p.fault == 1) {
    registers_take<240>();
  } else {
    registers_take<232>();
  }
  if (t < p.count) p.y[t] = p.x[t];
}
