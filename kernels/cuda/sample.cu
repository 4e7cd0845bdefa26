// Chooses the token after each row of logits, as dev.fovea.op.Sample defines it. One block of 1024 threads a row.
//
// Nothing is sorted. A weight exp((logit - max) / temperature) is a float in [0, 1]; sums are of its multiples of 2^-46 in 64-bit
// integers, so that their order cannot matter. What top-k and top-p keep are the heaviest of an order (weight, then smaller id)
// whose count or mass reaches a target: the lightest of them is found bit by bit, two bits a round, from sums over all ids.
// The draw then is a prefix sum in order of ids.
//
// Other than the definition, weights are rounded to float and then to 2^-46: a draw that lies within about 10^-5 of the border
// between two tokens can fall on the other side.
//
// Traffic: logits once; the weights, 128 KB at 32,000 ids, stay in the first-level cache of the block's processor. Expected, not
// measured: greedy 3 us, a draw 8 us, with top-k or top-p 15 us more for each.

#include "cuda/block.cuh"
#include "cuda/sample.h"

namespace {

constexpr int THREADS = 1024, WARPS = THREADS / 32;
constexpr uint32_t ALL = 0xffffffffu;

FOVEA_DEVICE uint64_t shuffle_up(uint64_t v, int by) {
  uint32_t low = __shfl_up_sync(ALL, static_cast<uint32_t>(v), by);
  uint32_t high = __shfl_up_sync(ALL, static_cast<uint32_t>(v >> 32), by);
  return uint64_t{high} << 32 | low;
}

FOVEA_DEVICE uint64_t shuffle_xor(uint64_t v, int mask) {
  uint32_t low = __shfl_xor_sync(ALL, static_cast<uint32_t>(v), mask);
  uint32_t high = __shfl_xor_sync(ALL, static_cast<uint32_t>(v >> 32), mask);
  return uint64_t{high} << 32 | low;
}

// Shared memory of one block.
struct Shared {
  uint64_t partial[3][WARPS];
  int32_t chosen;
};

// Sum over the block, the same in each thread. partial may be used again after the next barrier.
FOVEA_DEVICE uint64_t block_total(uint64_t v, uint64_t *partial) {
  for (int mask = 16; mask > 0; mask >>= 1) v += shuffle_xor(v, mask);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  v = partial[threadIdx.x % 32];
  for (int mask = 16; mask > 0; mask >>= 1) v += shuffle_xor(v, mask);
  return v;
}

FOVEA_DEVICE uint64_t block_most(uint64_t v, uint64_t *partial) {
  for (int mask = 16; mask > 0; mask >>= 1) {
    uint64_t other = shuffle_xor(v, mask);
    v = other > v ? other : v;
  }
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  v = partial[threadIdx.x % 32];
  for (int mask = 16; mask > 0; mask >>= 1) {
    uint64_t other = shuffle_xor(v, mask);
    v = other > v ? other : v;
  }
  return v;
}

// Sum over the threads before this one.
FOVEA_DEVICE uint64_t block_before(uint64_t v, uint64_t *partial) {
  int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  uint64_t sum = v;
  for (int by = 1; by < 32; by <<= 1) {
    uint64_t other = shuffle_up(sum, by);
    if (lane >= by) sum += other;
  }
  if (lane == 31) partial[warp] = sum;
  __syncthreads();
  uint64_t before = sum - v;
  for (int w = 0; w < warp; w++) before += partial[w];
  return before;
}

// A weight in [0, 1] in units of 2^-46, cut. 65,536 of them fit 62 bits.
FOVEA_DEVICE uint64_t units(uint32_t weight) {
  int exponent = static_cast<int>(weight >> 23);
  uint64_t mantissa = (weight & 0x7fffff) | 0x800000;
  int shift = exponent - 127 - 23 + 46;
  if (exponent == 0 || shift <= -24) return 0;
  return shift >= 0 ? mantissa << shift : mantissa >> -shift;
}

// SplitMix64 as a counter: Steele, Lea and Flood 2014. 53 bits.
FOVEA_DEVICE uint64_t draw_bits(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + counter * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) >> 11;
}

// Larger floats have larger codes, and both zeros one.
FOVEA_DEVICE uint32_t code(float x) {
  uint32_t bits = static_cast<uint32_t>(__float_as_int(x + 0.0f));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// What stays: ids heavier than `weight`, and of those as heavy the first `equals`.
struct Cut {
  uint32_t weight;
  uint64_t equals;
};

// The fewest of the heaviest whose count (or mass) reaches the target.
template <bool MASS>
FOVEA_DEVICE Cut cut(const uint32_t *weights, int n, uint64_t target, Shared &shared) {
  auto amount = [](uint32_t w) { return MASS ? units(w) : uint64_t{1}; };
  uint32_t at = 0;
  // 1.0 is 0x3f800000: thirty bits.
  for (int shift = 28; shift >= 0; shift -= 2) {
    uint64_t sum[3] = {0, 0, 0};
    for (int i = static_cast<int>(threadIdx.x); i < n; i += THREADS) {
      uint32_t w = weights[i];
      for (uint32_t d = 1; d <= 3; d++)
        if (w >= (at | d << shift)) sum[d - 1] += amount(w);
    }
    uint32_t digit = 0;
    for (uint32_t d = 1; d <= 3; d++)
      if (block_total(sum[d - 1], shared.partial[d - 1]) >= target) digit = d;
    at |= digit << shift;
    __syncthreads();
  }
  uint64_t heavier = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += THREADS)
    if (weights[i] > at) heavier += amount(weights[i]);
  heavier = block_total(heavier, shared.partial[0]);
  __syncthreads();
  uint64_t rest = target > heavier ? target - heavier : 0, one = amount(at);
  return {at, one == 0 ? 0 : (rest + one - 1) / one};
}

FOVEA_DEVICE uint64_t mass(const uint32_t *weights, int n, const Cut &kept, Shared &shared) {
  uint64_t sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += THREADS)
    if (weights[i] > kept.weight) sum += units(weights[i]);
  sum = block_total(sum, shared.partial[0]);
  __syncthreads();
  return sum + kept.equals * units(kept.weight);
}

// The id at which the running sum of what stays, in order of ids, exceeds its bits / 2^53 part. A thread has a run of ids.
FOVEA_DEVICE void draw(const uint32_t *weights, int n, const Cut &kept, uint64_t bits,
                       Shared &shared) {
  int run = (n + THREADS - 1) / THREADS;
  int from = static_cast<int>(threadIdx.x) * run;
  int to = from + run < n ? from + run : n;
  uint64_t equals = 0, sum = 0;
  for (int i = from; i < to; i++) {
    if (weights[i] > kept.weight) sum += units(weights[i]);
    if (weights[i] == kept.weight) equals++;
  }
  uint64_t before = block_before(equals, shared.partial[0]);
  uint64_t left = kept.equals > before ? kept.equals - before : 0;  // equals that stay from here on
  sum += (left < equals ? left : equals) * units(kept.weight);
  uint64_t start = block_before(sum, shared.partial[1]);
  uint64_t total = block_total(sum, shared.partial[2]);
  // bits * total / 2^53 in 128 bits; below total.
  uint64_t at = __umul64hi(bits << 11, total);
  if (at < start || at >= start + sum) return;
  for (int i = from; i < to; i++) {
    uint64_t w = 0;
    if (weights[i] > kept.weight) {
      w = units(weights[i]);
    } else if (weights[i] == kept.weight && left > 0) {
      w = units(kept.weight);
      left--;
    }
    start += w;
    if (at < start) {
      shared.chosen = i;
      return;
    }
  }
}

}  // namespace

FOVEA_KERNEL(sample__row, SampleParams, 1024) {
  take_turn();
  FOVEA_SHARED(Shared, memory, 1);
  FOVEA_SHARED_BYTES(bytes);  // a bit for each id: seen before
  Shared &shared = *memory;
  auto *seen = reinterpret_cast<uint32_t *>(bytes);
  int r = static_cast<int>(blockIdx.x);
  if (r >= live_rows(p.rows)) return;
  int n = p.vocabulary, me = static_cast<int>(threadIdx.x);
  int seq = p.seq[r], pos = p.pos[r];
  const float *control = p.control + 5 * r;
  float temperature = control[0], top_k = control[1], top_p = control[2], min_p = control[3],
        penalty = control[4];
  bool sense = seq >= 0 && seq < p.sequences && pos < p.places && temperature >= 0 && top_k >= 0 &&
               top_k < 0x1p31f && top_p > 0 && min_p <= 1 && penalty > 0;
  if (!sense || pos < 0) {
    if (!sense && me == 0) report(p.rows.error);
    if (me == 0) p.y[r] = sense ? -1 : 0;
    return;
  }

  for (int i = me; i < (n + 31) / 32; i += THREADS) seen[i] = 0;
  __syncthreads();
  if (penalty != 1) {
    const int32_t *tokens = p.tokens + int64_t{seq} * p.places;
    for (int i = me; i <= pos; i += THREADS) {
      int id = tokens[i];
      if (id >= 0 && id < n) atomicOr(&seen[id / 32], 1u << id % 32);
    }
  }
  __syncthreads();

  const float *logits = p.logits + r * p.stride;
  auto penalized = [&](int i) {
    float x = logits[i];
    if (seen[i / 32] >> i % 32 & 1) x = x > 0 ? x / penalty : x * penalty;
    return x;
  };
  // The largest, of equals the smallest id; a NaN outdoes all.
  uint64_t most = 0;
  for (int i = me; i < n; i += THREADS) {
    float x = penalized(i);
    uint64_t key = uint64_t{x == x ? code(x) : ALL} << 32 | ~static_cast<uint32_t>(i);
    most = key > most ? key : most;
  }
  most = block_most(most, shared.partial[0]);
  if (most >> 32 == ALL) {
    if (me == 0) {
      report(p.number);
      p.y[r] = 0;
    }
    return;
  }
  int best = static_cast<int>(~static_cast<uint32_t>(most));
  if (temperature == 0) {
    if (me == 0) p.y[r] = best;
    return;
  }

  float largest = penalized(best);
  auto *weights = reinterpret_cast<uint32_t *>(p.weights) + int64_t{r} * n;
  uint64_t all = 0;
  for (int i = me; i < n; i += THREADS) {
    float w = expf((penalized(i) - largest) / temperature);
    weights[i] = w < min_p ? 0u : static_cast<uint32_t>(__float_as_int(w));
    all += units(weights[i]);
  }
  if (me == 0) shared.chosen = best;
  __syncthreads();  // the weights are the block's from here on

  Cut kept{0, 0};
  if (top_k > 0 && top_k < n) kept = cut<false>(weights, n, static_cast<uint64_t>(top_k), shared);
  if (top_p < 1) {
    uint64_t of = mass(weights, n, kept, shared);
    auto target = static_cast<uint64_t>(ceil(static_cast<double>(top_p) * static_cast<double>(of)));
    kept = cut<true>(weights, n, target, shared);
  }
  uint64_t seed = static_cast<uint32_t>(p.seed[2 * r]) |
                  uint64_t{static_cast<uint32_t>(p.seed[2 * r + 1])} << 32;
  draw(weights, n, kept, draw_bits(seed, static_cast<uint64_t>(pos) + 1), shared);
  __syncthreads();
  if (me == 0) p.y[r] = shared.chosen;
}
