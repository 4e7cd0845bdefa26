// kernels/cuda/sample.cu on the emulated device against Sampler.java's rules, written out here as they stand there.

#include "cuda/sample.h"

#include <algorithm>

#include "emulated.h"
#include "emulator/driver.h"

using namespace emulated;

namespace {

struct Sampler {
  SampleRow how;
  int vocabulary;
  std::vector<bool> seen;

  int next(std::vector<float> x) {
    for (int i = 0; i < vocabulary; i++)
      if (how.penalty != 1 && seen[i]) x[i] = x[i] > 0 ? x[i] / how.penalty : x[i] * how.penalty;
    int id = how.temperature == 0 ? argmax(x) : draw(x);
    seen[id] = true;
    return id;
  }

  int argmax(const std::vector<float> &x) const {
    int best = 0;
    for (int i = 1; i < vocabulary; i++)
      if (x[i] > x[best]) best = i;
    return best;
  }

  int draw(std::vector<float> &x) {
    float max = x[argmax(x)];
    double total = 0;
    for (int i = 0; i < vocabulary; i++) {
      x[i] = static_cast<float>(exp((x[i] - max) / how.temperature));
      if (x[i] < how.min_p) x[i] = 0;
      total += x[i];
    }
    double u = uniform();
    if (how.top_k == 0 && how.top_p == 1) {
      double at = u * total;
      int last = 0;
      for (int i = 0; i < vocabulary; i++) {
        if (x[i] <= 0) continue;
        last = i;
        at -= x[i];
        if (at < 0) return i;
      }
      return last;
    }
    std::vector<int> ids;
    for (int i = 0; i < vocabulary; i++)
      if (x[i] > 0) ids.push_back(i);
    std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return x[a] > x[b]; });
    size_t k = how.top_k == 0 ? ids.size() : std::min<size_t>(how.top_k, ids.size());
    double kept = 0;
    for (size_t i = 0; i < k; i++) kept += x[ids[i]];
    double reach = kept * how.top_p, sum = 0;
    size_t end = 0;
    while (end < k && sum < reach) sum += x[ids[end++]];
    double at = u * sum;
    for (size_t i = 0; i + 1 < end; i++) {
      at -= x[ids[i]];
      if (at < 0) return ids[i];
    }
    return ids[end - 1];
  }

  double uniform() {
    uint64_t z = how.seed + ++how.draws * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1p-53;
  }
};

// One launch over rows [R, stride].
void launch(Device &device, const char *name, const SampleParams &p, const std::string &what) {
  const fovea::emulator::Function *f = fovea::emulator::find(name);
  require(f && f->params_bytes == sizeof p, what + ": no such kernel");
  fovea::emulator::Launch how;
  how.grid.x = static_cast<unsigned>(p.rows.count);
  how.block.x = 1024;
  const char *why = fovea::emulator::launch(*f, how, &p, nullptr);
  require(!why, what + ": " + (why ? why : ""));
  device.finish(what);
}

void draws(int vocabulary, float deviation, std::vector<SampleRow> rows, int rounds, bool ties,
           uint32_t seed) {
  std::string what = "sample " + std::to_string(vocabulary) + " deviation " +
                     std::to_string(deviation) + " seed " + std::to_string(seed);
  std::mt19937 random(seed);
  auto n = static_cast<int>(rows.size());
  int64_t stride = vocabulary + 3;
  Device device(seed);
  std::vector<Sampler> samplers;
  bool greedy = true;
  for (const SampleRow &how : rows) {
    samplers.push_back({how, vocabulary, std::vector<bool>(static_cast<size_t>(vocabulary))});
    greedy &= how.temperature == 0;
  }
  SampleParams p{};
  p.stride = stride;
  p.vocabulary = vocabulary;
  p.how = device.put(rows);
  p.seen = device.put(std::vector<uint32_t>(static_cast<size_t>(n) * ((vocabulary + 31) / 32)));
  p.weights = static_cast<float *>(device.allocate(int64_t{n} * vocabulary * 4));
  p.tokens = device.put(std::vector<int32_t>(n, -1));
  auto *error = device.put(std::vector<int32_t>{0});
  p.rows = {nullptr, n, {error, 7}};
  for (int round = 0; round < rounds; round++) {
    auto logits = normal(random, static_cast<size_t>(n * stride), deviation);
    if (ties)
      for (float &x : logits) x = roundf(x);
    // What stands beyond the vocabulary must not be chosen.
    for (int64_t i = 0; i < n * stride; i++)
      if (i % stride >= vocabulary) logits[i] = 1e30f;
    p.logits = device.put(logits);
    launch(device, greedy ? "sample__greedy" : "sample__draw", p, what);
    auto tokens = device.get<int32_t>(p.tokens, n);
    for (int r = 0; r < n; r++) {
      int expected = samplers[r].next(std::vector<float>(logits.begin() + r * stride,
                                                         logits.begin() + r * stride + vocabulary));
      require(tokens[r] == expected, what + " round " + std::to_string(round) + " row " +
                                         std::to_string(r) + ": " + std::to_string(tokens[r]) +
                                         " for " + std::to_string(expected));
    }
    require(device.get<int32_t>(error, 1)[0] == 0, what + ": reports bad data");
  }
  auto left = device.get<SampleRow>(p.how, n);
  for (int r = 0; r < n; r++)
    require(left[r].draws == samplers[r].how.draws, what + ": draws are not counted on");
}

// Rows with NaN, plus infinity, or nothing but minus infinity are reported; of others minus infinity is never chosen.
void bad_logits() {
  const int vocabulary = 100;
  Device device(5);
  SampleParams p{};
  p.stride = p.vocabulary = vocabulary;
  p.tokens = device.put(std::vector<int32_t>{-1});
  auto *error = device.put(std::vector<int32_t>{0});
  p.rows = {nullptr, 1, {error, 7}};
  for (const char *kernel : {"sample__greedy", "sample__draw"}) {
    if (!strcmp(kernel, "sample__draw")) {
      p.how = device.put(std::vector<SampleRow>{{1, 0.9, 0, 1, 10, 1, 0}});
      p.weights = static_cast<float *>(device.allocate(vocabulary * 4));
    }
    for (int bad = 0; bad < 4; bad++) {
      std::vector<float> x(vocabulary, -INFINITY);
      if (bad != 3) x[70] = 1, x[71] = -2;
      if (bad == 1) x[99] = NAN;
      if (bad == 2) x[3] = INFINITY;
      p.logits = device.put(x);
      std::string what = std::string(kernel) + " bad " + std::to_string(bad);
      launch(device, kernel, p, what);
      int32_t reported = device.get<int32_t>(error, 1)[0],
              token = device.get<int32_t>(p.tokens, 1)[0];
      require(reported == (bad ? 7 : 0), what + ": report");
      require(bad == 3 ? token == 0 : token == 70 || token == 71, what + ": token");
      fovea_emulator_fill(error, 0, 4);
    }
  }
}

}  // namespace

int main() {
  uint32_t seed = 3;
  SampleRow greedy{0, 1, 0, 1, 0, 0, 0}, penalised{0, 1, 0, 1.3f, 0, 0, 0};
  draws(32003, 3, {greedy, penalised}, 2, false, seed++);
  draws(1500, 1, {greedy, penalised}, 3, true, seed++);
  draws(1, 1, {greedy, {1, 0.9, 0, 1, 0, 1, 0}}, 1, false, seed++);
  // temperature, top-p, min-p, penalty, top-k, seed
  std::vector<SampleRow> all{{1, 1, 0, 1, 0, 11, 0},        {0.7, 0.9, 0, 1, 0, 12, 0},
                             {1, 1, 0, 1, 40, 13, 0},       {0.5, 0.8, 0.02, 1.2f, 50, 14, 5},
                             {2, 1, 0.1, 1, 0, 15, 0},      {1, 0.999, 0, 1, 0, 16, 0},
                             {0, 1, 0, 1.1f, 0, 17, 0},     {1.5, 0.95, 0, 1, 2000, 18, 0},
                             {0.1, 0.5, 0, 1, 1, 19, 1000}, {100, 0.999, 0, 1, 0, 20, 0}};
  draws(32003, 2, all, 2, false, seed++);
  draws(4096, 0.5f, all, 3, false, seed++);
  draws(3000, 1, all, 3, true, seed++);  // many equal
  draws(1024, 0, all, 2, true, seed++);  // all equal
  draws(5000, 0, all, 2, true, seed++);
  draws(7, 1, all, 3, false, seed++);
  bad_logits();
  puts("ok");
  return 0;
}
