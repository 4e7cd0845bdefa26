// Chooses one token a row as dev.fovea.op.Sample defines it, in double precision. Rows share the threads; a row of 32,000
// logits takes a third of a millisecond, against a hundred for the token it ends.

#include <math.h>

#include <algorithm>

#include "run.h"

namespace fovea {
namespace {

constexpr int32_t NOT_A_NUMBER = -2;  // in place of an id

// SplitMix64, counter-based: Steele, Lea and Flood 2014.
double uniform(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + counter * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

// What a row works in: its weights, its ids by weight, its logits with the penalty applied.
struct Work {
  double *w;
  int32_t *order;
  float *logits;
};

int64_t work_bytes(int64_t n) { return align64(n * 8) + 2 * align64(n * 4); }

Work work_at(uint8_t *at, int64_t n) {
  return {reinterpret_cast<double *>(at), reinterpret_cast<int32_t *>(at + align64(n * 8)),
          reinterpret_cast<float *>(at + align64(n * 8) + align64(n * 4))};
}

// Weights of ids that top-k and top-p drop become 0. The heap gives ids by weight, of equals the smaller first; its
// comparison is a type of this file alone, so the library's code for it is too.
void cut(const Work &s, int64_t n, int64_t top_k, double top_p) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++)
    if (s.w[i] > 0) s.order[count++] = static_cast<int32_t>(i);
  auto after = [&](int32_t a, int32_t b) { return s.w[a] != s.w[b] ? s.w[a] < s.w[b] : a > b; };
  std::make_heap(s.order, s.order + count, after);
  int64_t kept = top_k == 0 || top_k > count ? count : top_k;
  // Popped ids collect at the end, the heaviest last.
  double all = 0;
  for (int64_t i = 0; i < kept; i++) {
    std::pop_heap(s.order, s.order + count - i, after);
    all += s.w[s.order[count - 1 - i]];
  }
  int64_t enough = kept;
  if (top_p < 1) {
    double sum = 0;
    for (enough = 0; enough < kept && sum < top_p * all; enough++)
      sum += s.w[s.order[count - 1 - enough]];
    if (enough == 0) enough = 1;
  }
  for (int64_t i = 0; i < count - enough; i++) s.w[s.order[i]] = 0;
}

int32_t choose(const fovea_sample_args *a, int64_t r, const Work &s) {
  int64_t n = a->vocabulary;
  const float *control = f32(a->control) + r * 5;
  double temperature = control[0], top_p = control[2], min_p = control[3], penalty = control[4];
  auto top_k = static_cast<int64_t>(control[1]);
  memcpy(s.logits, f32(a->logits) + r * a->logits.dim[1], static_cast<size_t>(n) * 4);
  if (penalty != 1) {
    const int32_t *tokens = i32(a->tokens) + int64_t{i32(a->seq)[r]} * a->tokens.dim[1];
    // An id may come often and is penalized once: from its own logit, not from what stands there.
    const float *given = f32(a->logits) + r * a->logits.dim[1];
    for (int32_t i = 0; i <= i32(a->pos)[r]; i++) {
      int32_t id = tokens[i];
      if (id >= 0 && id < n)
        s.logits[id] =
            static_cast<float>(given[id] > 0 ? given[id] / penalty : given[id] * penalty);
    }
  }
  int64_t best = 0;
  for (int64_t i = 0; i < n; i++) {
    if (s.logits[i] != s.logits[i]) return NOT_A_NUMBER;
    if (s.logits[i] > s.logits[best]) best = i;
  }
  if (temperature == 0) return static_cast<int32_t>(best);
  for (int64_t i = 0; i < n; i++) {
    double w = exp((static_cast<double>(s.logits[i]) - s.logits[best]) / temperature);
    s.w[i] = w < min_p ? 0 : w;
  }
  if (top_k != 0 || top_p < 1) cut(s, n, top_k, top_p);
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += s.w[i];
  uint64_t seed = static_cast<uint32_t>(i32(a->seed)[2 * r]) |
                  static_cast<uint64_t>(static_cast<uint32_t>(i32(a->seed)[2 * r + 1])) << 32;
  double at = uniform(seed, static_cast<uint64_t>(i32(a->pos)[r]) + 1) * total;
  int64_t last = best;
  for (int64_t i = 0; i < n; i++) {
    if (s.w[i] > 0) {
      last = i;
      at -= s.w[i];
      if (at < 0) break;
    }
  }
  return static_cast<int32_t>(last);
}

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_sample_args *>(args);
  int64_t rows = live_rows(a->logits);
  if (rows < 0) return FOVEA_E_RANGE;
  for (int64_t r = 0; r < rows; r++) {
    int64_t seq = i32(a->seq)[r];
    int64_t pos = i32(a->pos)[r];
    if (seq < 0 || seq >= a->tokens.dim[0] || pos >= a->tokens.dim[1]) return FOVEA_E_RANGE;
    const float *c = f32(a->control) + r * 5;
    if (!(c[0] >= 0) || !(c[1] >= 0 && c[1] < 0x1p31f) || !(c[2] > 0) || !(c[3] <= 1) ||
        !(c[4] > 0))
      return FOVEA_E_RANGE;
  }
  int64_t bytes = work_bytes(a->vocabulary);
  auto *y = out_i32(a->y);
  each(run, rows, [&](int64_t r, int thread) {
    y[r] = i32(a->pos)[r] < 0 ? -1
                              : choose(a, r, work_at(run.scratch + thread * bytes, a->vocabulary));
  });
  for (int64_t r = 0; r < rows; r++)
    if (y[r] == NOT_A_NUMBER) return FOVEA_E_NUMBER;
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  return threads * work_bytes(static_cast<const fovea_sample_args *>(args)->vocabulary);
}

const Kernel kernels[] = {{"sample", "f32,i32,i32,i32,f32,i32->i32", FOVEA_VARIANT,
                           sizeof(fovea_sample_args), run_, rejects<fovea_sample_args>, scratch}};

}  // namespace
FOVEA_KERNELS(sample)
}  // namespace fovea
