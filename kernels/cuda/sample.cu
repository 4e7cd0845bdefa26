// The next token of each row of logits, by the rules of Sampler.java. One block of 1024 threads a row; a thread has ids
// i, i + 1024, .. and nobody else reads its part of the scratch memory.
//
// sample__greedy: the most likely token, the lowest id of equals. Exactly Sampler's.
//
// sample__draw: repetition penalty, temperature, min-p, top-k, top-p, draw. Weights are exp((logit - max) / temperature) in double,
// rounded to float, sums of them are integers of 2^-S, S = 62 - log2(vocabulary), so that their order cannot matter. Without
// top-k and top-p the token is looked for by a running sum in the order of ids. Otherwise from the most likely one down,
// without sorting the vocabulary: the at most 1024 likeliest that are left are found by their count (four-way search over the
// bits of the weight and the id), sorted in shared memory and summed up; that is repeated until the count k, the mass p or the draw lie within.
// Nearly always the first 1024 hold them all.
//
// Where it can differ from Sampler: exp may round to another float for one weight in 2^28; Sampler's sums are rounded doubles,
// relative 2^-53 an addition, these lose at most 2^-S a weight; so the draw falls otherwise where it lies within about 10^-9 of
// the border between two tokens.
//
// Traffic: logits once, weights written once and read about 10 times, from the first- and second-level caches. Expected, not
// measured: greedy 3 us for 32000 ids; draw 15 to 25 us on sm_80 and sm_90, ten times that where binary64 is slow.

#include <math.h>

#include "cuda/block.cuh"
#include "cuda/sample.h"

namespace {

constexpr int THREADS = 1024, WARPS = THREADS / 32;

FOVEA_DEVICE uint64_t shuffle(uint64_t x, int from) {
  uint32_t low = __shfl_sync(0xffffffffu, static_cast<uint32_t>(x), from);
  uint32_t high = __shfl_sync(0xffffffffu, static_cast<uint32_t>(x >> 32), from);
  return static_cast<uint64_t>(high) << 32 | low;
}

// Larger floats have larger codes; -0 is 0.
FOVEA_DEVICE uint32_t order(float x) {
  uint32_t bits = static_cast<uint32_t>(__float_as_int(x + 0.0f));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// Weight first, of equals the smaller id.
FOVEA_DEVICE uint64_t key(uint32_t weight, int id) {
  return static_cast<uint64_t>(weight) << 32 | ~static_cast<uint32_t>(id);
}
FOVEA_DEVICE int id_of(uint64_t key) { return static_cast<int>(~static_cast<uint32_t>(key)); }

struct SampleShared {
  uint64_t keys[THREADS];  // a chunk, the largest first; 0 behind the last
  uint64_t warps[WARPS];
  uint32_t counts[3][WARPS];
  uint32_t filled;
  int found;
  uint64_t found_key, found_sum;
};

FOVEA_DEVICE uint64_t block_most(uint64_t x, SampleShared &shared) {
  int lane = threadIdx.x % 32;
  for (int mask = 16; mask > 0; mask >>= 1) {
    uint64_t other = shuffle(x, lane ^ mask);
    if (other > x) x = other;
  }
  if (lane == 0) shared.warps[threadIdx.x / 32] = x;
  __syncthreads();
  x = shared.warps[lane];
  for (int mask = 16; mask > 0; mask >>= 1) {
    uint64_t other = shuffle(x, lane ^ mask);
    if (other > x) x = other;
  }
  __syncthreads();
  return x;
}

// The sum of this thread's and all before it; total: of all.
FOVEA_DEVICE uint64_t block_scan(uint64_t x, uint64_t &total, SampleShared &shared) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int step = 1; step < 32; step *= 2) {
    uint64_t other = shuffle(x, lane >= step ? lane - step : lane);
    if (lane >= step) x += other;
  }
  if (lane == 31) shared.warps[warp] = x;
  __syncthreads();
  uint64_t sum = shared.warps[lane];
  for (int step = 1; step < 32; step *= 2) {
    uint64_t other = shuffle(sum, lane >= step ? lane - step : lane);
    if (lane >= step) sum += other;
  }
  total = shuffle(sum, 31);
  uint64_t before = shuffle(sum, warp > 0 ? warp - 1 : 0);
  __syncthreads();
  return warp > 0 ? x + before : x;
}

// A row's logit with the repetition penalty, if it has one.
FOVEA_DEVICE float logit(const SampleParams &p, const uint32_t *seen, float penalty, int row,
                         int i) {
  float x = p.logits[row * p.stride + i];
  if (seen && (seen[i / 32] >> i % 32 & 1)) x = x > 0 ? x / penalty : x * penalty;
  return x;
}

// Key of the most likely token. A row with a NaN or plus infinity, or with nothing but minus infinity, is reported.
FOVEA_DEVICE uint64_t likeliest(const SampleParams &p, const uint32_t *seen, float penalty, int row,
                                SampleShared &shared) {
  uint64_t best = 0;
  bool bad = false;
  for (int i = threadIdx.x; i < p.vocabulary; i += THREADS) {
    float x = logit(p, seen, penalty, row, i);
    if (x < INFINITY) {
      uint64_t mine = key(order(x), i);
      if (mine > best) best = mine;
    } else {
      bad = true;
    }
  }
  best = block_most(best, shared);
  if (bad || best >> 32 <= order(-INFINITY)) report(p.rows.error);
  return best == 0 ? key(0, 0) : best;  // nothing to choose from: the first
}

// The n-th draw depends on the seed and n alone. Steele, Lea and Flood 2014, SplitMix64.
FOVEA_DEVICE double uniform(uint64_t seed, uint64_t n) {
  uint64_t z = seed + n * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

// The walk from the likeliest token down, a sorted chunk at a time. All members but `sum` are the same in every thread.
struct Walk {
  const float *weights;
  int vocabulary;
  float units;               // 2^S
  uint64_t low = 0;          // the chunk has the keys from here ..
  uint64_t high = 0;         // .. to before here; 0: there is no chunk
  uint32_t count = 0;        // of the chunk
  uint32_t count_above = 0;  // tokens and their mass before the chunk
  uint64_t sum_above = 0, chunk_sum = 0;
  uint64_t sum =
      0;  // mass of this thread's token of the chunk and those before it, without sum_above

  FOVEA_DEVICE uint64_t mass(float weight) const { return static_cast<uint64_t>(weight * units); }

  FOVEA_DEVICE uint64_t key_at(int i) const {
    float w = weights[i];
    return w > 0 ? key(static_cast<uint32_t>(__float_as_int(w)), i) : 0;
  }

  // How many keys lie from each pivot to before high.
  FOVEA_DEVICE void tally(const uint64_t (&pivot)[3], uint32_t (&n)[3],
                          SampleShared &shared) const {
    n[0] = n[1] = n[2] = 0;
    for (int i = threadIdx.x; i < vocabulary; i += THREADS) {
      uint64_t k = key_at(i);
      if (k == 0 || k >= high) continue;
      for (int j = 0; j < 3; j++) n[j] += k >= pivot[j];
    }
    int lane = threadIdx.x % 32;
    for (int j = 0; j < 3; j++) {
      for (int mask = 16; mask > 0; mask >>= 1) n[j] += __shfl_xor_sync(0xffffffffu, n[j], mask);
      if (lane == 0) shared.counts[j][threadIdx.x / 32] = n[j];
    }
    __syncthreads();
    for (int j = 0; j < 3; j++) {
      n[j] = shared.counts[j][lane];
      for (int mask = 16; mask > 0; mask >>= 1) n[j] += __shfl_xor_sync(0xffffffffu, n[j], mask);
    }
    __syncthreads();
  }

  // The next chunk; false: there are no tokens left.
  FOVEA_DEVICE bool next(SampleShared &shared) {
    count_above += count;
    sum_above += chunk_sum;
    high = high == 0 ? uint64_t{1} << 62 : low;
    // At most 1024 keys lie from `low`, more from `far`.
    low = high;
    count = 0;
    uint64_t far = 0;
    uint64_t pivot[3] = {1, high / 4 * 3, high / 8 * 7};
    while (true) {
      uint32_t n[3];
      tally(pivot, n, shared);
      bool fits = false;
#pragma unroll
      for (int j = 0; j < 3; j++) {
        if (fits) continue;
        fits = n[j] <= THREADS;
        if (fits) {
          low = pivot[j];
          count = n[j];
        } else {
          far = pivot[j];
        }
      }
      if (low <= far + 1 || count >= THREADS / 4) break;
      for (int j = 0; j < 3; j++) pivot[j] = far + ((low - far) * (j + 1) + 3) / 4;
    }
    if (count == 0) return false;

    if (threadIdx.x == 0) shared.filled = 0;
    shared.keys[threadIdx.x] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < vocabulary; i += THREADS) {
      uint64_t k = key_at(i);
      if (k >= low && k < high) shared.keys[atomicAdd(&shared.filled, 1u)] = k;
    }
    __syncthreads();
    // Bitonic sort, largest first. Batcher 1968.
    int i = threadIdx.x;
    for (int size = 2; size / 2 < static_cast<int>(count); size *= 2) {
      for (int stride = size / 2; stride > 0; stride /= 2) {
        int other = i ^ stride;
        uint64_t a = shared.keys[i], b = shared.keys[other];
        bool descending = (i & size) == 0;
        bool first = i < other;
        __syncthreads();
        if ((a < b) == (descending == first)) shared.keys[i] = b;
        __syncthreads();
      }
    }
    sum =
        block_scan(mass(__int_as_float(static_cast<int>(shared.keys[i] >> 32))), chunk_sum, shared);
    return true;
  }

  // Walks to the first token with which the number of tokens (by_count), or else their mass, is more than `target`; to the
  // last one if it never is. Gives its id; its mass and all before it in `with`.
  FOVEA_DEVICE int find(bool by_count, uint64_t target, uint64_t &with, SampleShared &shared) {
    if (high != 0 && (by_count ? count_above : sum_above) > target) {
      high = 0;
      count = count_above = 0;
      sum_above = chunk_sum = 0;
    }
    if (high == 0) next(shared);
    while (true) {
      if (threadIdx.x == 0) shared.found = 0;
      __syncthreads();
      uint32_t i = threadIdx.x;
      uint64_t k = shared.keys[i], mine = mass(__int_as_float(static_cast<int>(k >> 32)));
      uint64_t after = by_count ? count_above + i + 1 : sum_above + sum;
      uint64_t before = by_count ? count_above + i : after - mine;
      if (i < count && after > target && before <= target) {
        shared.found = 1;
        shared.found_key = k;
        shared.found_sum = sum_above + sum;
      }
      // In case this is the last chunk.
      uint64_t last_key = shared.keys[count - 1];
      __syncthreads();
      bool here = shared.found;
      uint64_t found = here ? shared.found_key : 0;
      if (here) with = shared.found_sum;
      __syncthreads();
      if (here) return id_of(found);
      uint64_t so_far = sum_above + chunk_sum;
      if (!next(shared)) {
        // Stay within the tokens there are: the walk starts anew when asked again.
        high = 0;
        count = count_above = 0;
        sum_above = chunk_sum = 0;
        with = so_far;
        return id_of(last_key);
      }
    }
  }
};

FOVEA_DEVICE int draw(const SampleParams &p, const SampleRow &how, const uint32_t *seen, int row,
                      float max, double u, SampleShared &shared) {
  float *weights = p.weights + int64_t{row} * p.vocabulary;
  int bits = p.vocabulary > 1 ? 32 - __clz(p.vocabulary - 1) : 0;
  Walk walk{weights, p.vocabulary, static_cast<float>(uint64_t{1} << (62 - bits))};
  uint64_t mine = 0, total;
  for (int i = threadIdx.x; i < p.vocabulary; i += THREADS) {
    float x = logit(p, seen, how.penalty, row, i);
    float w = static_cast<float>(exp((x - max) / how.temperature));
    if (!(w >= how.min_p)) w = 0;
    weights[i] = w;
    mine += walk.mass(w);
  }
  block_scan(mine, total, shared);

  if (how.top_k == 0 && how.top_p == 1) {
    uint64_t at = static_cast<uint64_t>(u * static_cast<double>(total));
    if (at >= total) at = total - 1;
    if (threadIdx.x == 0) shared.found = -1;
    __syncthreads();
    uint64_t before = 0;
    for (int from = 0; before <= at; from += THREADS) {
      int i = from + threadIdx.x;
      uint64_t of_these, w = i < p.vocabulary ? walk.mass(weights[i]) : 0;
      uint64_t sum = before + block_scan(w, of_these, shared);
      if (sum > at && sum - w <= at) shared.found = i;
      before += of_these;
    }
    __syncthreads();
    return shared.found;
  }
  uint64_t kept = total, sum;
  if (how.top_k > 0) walk.find(true, static_cast<uint64_t>(how.top_k) - 1, kept, shared);
  uint64_t reach = kept;
  if (how.top_p < 1) {
    double needed = ceil(static_cast<double>(kept) * how.top_p);
    reach = static_cast<uint64_t>(needed);
    if (reach > kept) reach = kept;
    if (reach < 1) reach = 1;
  }
  walk.find(false, reach - 1, sum, shared);
  uint64_t at = static_cast<uint64_t>(u * static_cast<double>(sum));
  if (at >= sum) at = sum - 1;
  uint64_t ignored;
  return walk.find(false, at, ignored, shared);
}

template <bool DRAW>
FOVEA_DEVICE void sample(const SampleParams &p, SampleShared &shared) {
  int row = blockIdx.x;
  if (row >= live_rows(p.rows)) return;
  float penalty = p.how ? p.how[row].penalty : 1;
  uint32_t *seen = p.seen ? p.seen + int64_t{row} * ((p.vocabulary + 31) / 32) : nullptr;
  const uint32_t *penalised = penalty == 1 ? nullptr : seen;
  uint64_t best = likeliest(p, penalised, penalty, row, shared);
  int id = id_of(best);
  if (DRAW && p.how[row].temperature > 0) {
    const SampleRow &how = p.how[row];
    float max = logit(p, penalised, penalty, row, id);
    // What has no finite largest has been reported.
    if (fabsf(max) < INFINITY)
      id = draw(p, how, penalised, row, max, uniform(how.seed, how.draws + 1), shared);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    p.tokens[row] = id;
    if (seen) seen[id / 32] |= 1u << id % 32;
    if (DRAW && p.how[row].temperature > 0) p.how[row].draws++;
  }
}

}  // namespace

FOVEA_KERNEL(sample__greedy, SampleParams, 1024) {
  FOVEA_SHARED(SampleShared, shared, 1);
  sample<false>(p, shared[0]);
}

FOVEA_KERNEL(sample__draw, SampleParams, 1024) {
  FOVEA_SHARED(SampleShared, shared, 1);
  sample<true>(p, shared[0]);
}
