// Every kernel of attention and paged_attention on the emulated device, against the plain definition in double: within the
// bound of Attention.java, at tails, off 16-byte boundaries, with rows that do not count; equal bits when repeated under another order
// of threads, and for a row alone.

#include <algorithm>

#include "../src/cpu/half.h"
#include "emulated.h"

using namespace emulated;

namespace {

constexpr double U = 0x1p-24, HALF = 0x1p-11, HALF_TINY = 0x1p-25;

// One query row against n keys: Attention.head. k(j), v(j): where key j's numbers start. halves: how many factors of a score, and
// of what is summed up, may be rounded to binary16.
template <class Keys, class Values>
void head(double scale, const float *q, int64_t n, int width, int halves, const Keys &k,
          const Values &v, double *y, double *bound) {
  double largest = 0;
  for (int i = 0; i < width; i++) largest = std::max(largest, fabs(double{q[i]}));
  std::vector<double> score(n, 0.0);
  double max = -INFINITY, score_error = 0;
  for (int64_t j = 0; j < n; j++) {
    double size = 0, rounding = 0;
    for (int i = 0; i < width; i++) {
      double product = double{q[i]} * k(j)[i] * scale;
      score[j] += product;
      size += fabs(product);
      rounding += halves * HALF * fabs(product) + HALF_TINY * fabs(largest * k(j)[i] * scale);
    }
    max = std::max(max, score[j]);
    score_error = std::max(score_error, (width + 3) * U * size + (halves ? rounding : 0));
  }
  double sum = 0;
  for (double s : score) sum += exp(s - max);
  double common = expm1(2 * score_error) + 0x1p-19 + (2.0 * static_cast<double>(n) + 8) * U;
  if (halves) common += (1 + halves) * HALF;
  double tiny = halves ? HALF_TINY / sum : 0;
  for (int i = 0; i < width; i++) {
    y[i] = bound[i] = 0;
    for (int64_t j = 0; j < n; j++) {
      double weight = exp(score[j] - max) / sum;
      y[i] += weight * v(j)[i];
      bound[i] += fabs(double{v(j)[i]}) * (weight * (common + 2 * U * (max - score[j])) + tiny);
    }
  }
}

struct Worst {
  double share = 0;
  void take(double y, double expected, double bound, const std::string &what) {
    double error = fabs(y - expected);
    if (!(error <= bound))
      fail(what + ": " + std::to_string(y) + " for " + std::to_string(expected) + ", error " +
           std::to_string(error) + ", allowed " + std::to_string(bound));
    if (bound > 0) share = std::max(share, error / bound);
  }
};

void same_bits(const std::vector<float> &a, const std::vector<float> &b, const std::string &what) {
  require(a.size() == b.size() && !memcmp(a.data(), b.data(), a.size() * 4), what + ": other bits");
}

// ---- attention ----

struct VisionCase {
  int rows, heads, width;
  float deviation;  // of q
  int64_t offset;   // of every tensor, in bytes
  int live = -1;
};

std::vector<float> see(Device &device, int32_t line, const VisionCase &c,
                       const std::vector<float> &q, const std::vector<float> &k,
                       const std::vector<float> &v, const std::string &what) {
  std::vector<float> nothing(q.size(), NAN);
  const int32_t *live = c.live < 0 ? nullptr : device.put(std::vector<int32_t>{c.live});
  std::vector<int32_t> sizes{c.rows, c.heads, c.width};
  fovea_attention_args a{tensor(device.put(q, c.offset), FOVEA_F32, sizes, live),
                         tensor(device.put(k, c.offset), FOVEA_F32, sizes, live),
                         tensor(device.put(v, c.offset), FOVEA_F32, sizes, live),
                         tensor(device.put(nothing, c.offset), FOVEA_F32, sizes, live),
                         1 / sqrt(c.width)};
  require(!device.rejects(line, &a), what + ": rejected");
  require(device.run(line, &a, what) == 0, what + ": reports bad data");
  return device.get<float>(a.y.data, q.size());
}

void vision(const char *variant, const VisionCase &c, uint32_t seed) {
  std::string what = std::string("attention ") + variant + " " + std::to_string(c.rows) + "x" +
                     std::to_string(c.heads) + "x" + std::to_string(c.width) + " q " +
                     std::to_string(c.deviation) + " offset " + std::to_string(c.offset) +
                     " live " + std::to_string(c.live) + " seed " + std::to_string(seed);
  std::mt19937 random(seed);
  size_t count = static_cast<size_t>(c.rows) * c.heads * c.width;
  auto q = normal(random, count, c.deviation), k = normal(random, count, 1),
       v = normal(random, count, 1);
  int n = c.live < 0 ? c.rows : c.live;
  // What does not count must not be seen.
  for (size_t i = static_cast<size_t>(n) * c.heads * c.width; i < count; i++)
    q[i] = k[i] = v[i] = NAN;
  std::vector<float> y;
  for (uint64_t order : {uint64_t{seed}, uint64_t{seed} + 1}) {
    Device device(order);
    auto again =
        see(device, Device::line("attention", "f32,f32,f32->f32", variant), c, q, k, v, what);
    if (y.empty()) y = again;
    same_bits(y, again, what);
  }
  Worst worst;
  std::vector<double> expected(c.width), bound(c.width);
  int step =
      n > 100 ? 13 : 1;  // rows are checked in samples where there are many, the last ones always
  for (int h = 0; h < c.heads; h++) {
    for (int t = 0; t < n; t += t < n - 18 ? step : 1) {
      size_t at = (static_cast<size_t>(t) * c.heads + h) * c.width;
      auto in = [&](const std::vector<float> &x) {
        return [&x, &c, h](int64_t j) { return &x[(j * c.heads + h) * c.width]; };
      };
      head(1 / sqrt(c.width), &q[at], n, c.width, 0, in(k), in(v), expected.data(), bound.data());
      for (int i = 0; i < c.width; i++)
        worst.take(y[at + i], expected[i], bound[i],
                   what + " row " + std::to_string(t) + " head " + std::to_string(h) + " column " +
                       std::to_string(i));
    }
  }
  for (size_t i = static_cast<size_t>(n) * c.heads * c.width; i < count; i++)
    require(isnan(y[i]), what + ": writes rows that do not count");
  printf("%-90s %5.1f %% of the bound\n", what.c_str(), 100 * worst.share);
}

// ---- paged attention ----

const char *const TYPES[] = {"f32", "f16", "bf16", "q8_0"};

struct PagedCase {
  int32_t dtype;
  int heads, key_heads, width, places, table;
  std::vector<int32_t> pos, seq;
  float deviation;
  int64_t offset;
  int live = -1;
};

// The cache, and pages dealt to sequences in a random order.
struct Paged {
  static constexpr int SEQUENCES = 3;
  const PagedCase &c;
  int rows, pool;
  std::vector<int32_t> pages;
  std::vector<float> q, k, v;  // k, v: as the cache's type holds them
  std::vector<uint16_t> k16, v16;
  std::vector<int8_t> k8, v8;  // quants, then scales

  Paged(const PagedCase &c, std::mt19937 &random)
      : c(c), rows(static_cast<int>(c.pos.size())), pool(SEQUENCES * c.table + 2) {
    pages.resize(static_cast<size_t>(pool));
    for (int i = 0; i < pool; i++) pages[i] = i;
    std::shuffle(pages.begin(), pages.end(), random);
    pages.resize(static_cast<size_t>(SEQUENCES) * c.table);
    q = normal(random, static_cast<size_t>(rows) * c.heads * c.width, c.deviation);
    size_t count = static_cast<size_t>(pool) * c.key_heads * c.places * c.width;
    k = normal(random, count, 1);
    v = normal(random, count, 1);
    // What no row sees is not a number, and neither are rows that do not count.
    std::vector<int32_t> reach(SEQUENCES, -1);
    for (int t = 0; t < counting(); t++) reach[c.seq[t]] = std::max(reach[c.seq[t]], c.pos[t]);
    std::vector<bool> seen(static_cast<size_t>(pool) * c.places);
    for (int s = 0; s < SEQUENCES; s++)
      for (int j = 0; j <= reach[s]; j++)
        seen[static_cast<size_t>(pages[s * c.table + j / c.places]) * c.places + j % c.places] =
            true;
    for (size_t i = 0; i < count; i++) {
      size_t row = i / c.width, place = row % c.places, page = row / c.places / c.key_heads;
      if (!seen[page * c.places + place]) k[i] = v[i] = NAN;
    }
    for (size_t i = static_cast<size_t>(counting()) * c.heads * c.width; i < q.size(); i++)
      q[i] = NAN;
    if (c.dtype == FOVEA_Q8_0) {
      for (auto [from, to] : {std::pair{&k, &k8}, std::pair{&v, &v8}}) {
        std::vector<uint16_t> scales;
        for (size_t i = 0; i < count; i += 32) {
          float most = 0;
          for (size_t j = i; j < i + 32; j++) most = std::max(most, fabsf((*from)[j]));
          scales.push_back(isnan((*from)[i]) ? 0x7e00 : fovea::to_half(most / 127));
          float d = fovea::from_half(scales.back());
          for (size_t j = i; j < i + 32; j++) {
            to->push_back(isnan(d) ? 1 : static_cast<int8_t>(lrintf((*from)[j] / d)));
            (*from)[j] = d * to->back();
          }
        }
        auto *bytes = reinterpret_cast<const int8_t *>(scales.data());
        to->insert(to->end(), bytes, bytes + 2 * scales.size());
      }
    }
    if (c.dtype == FOVEA_F16) {
      for (auto [from, to] : {std::pair{&k, &k16}, std::pair{&v, &v16}})
        for (float &x : *from) {
          to->push_back(isnan(x) ? 0x7e00 : fovea::to_half(x));
          x = fovea::from_half(to->back());
        }
    }
  }

  int counting() const { return c.live < 0 ? static_cast<int>(c.pos.size()) : c.live; }

  size_t at(int seq, int64_t j, int head) const {
    int64_t page = pages[seq * c.table + j / c.places];
    return ((page * c.key_heads + head * c.key_heads / c.heads) * c.places + j % c.places) *
           c.width;
  }

  // Rows [from, to) of the case.
  std::vector<float> run(Device &device, const char *variant, int from, int to,
                         const std::string &what, int32_t *error = nullptr) const {
    int n = to - from;
    // Of the cache: one element; blocks lie where they are put.
    int64_t odd = c.dtype == FOVEA_F32 ? c.offset : c.dtype == FOVEA_F16 ? c.offset / 2 : 0;
    std::vector<float> some(q.begin() + static_cast<int64_t>(from) * c.heads * c.width,
                            q.begin() + static_cast<int64_t>(to) * c.heads * c.width);
    std::vector<float> nothing(some.size(), NAN);
    std::vector<int32_t> pos(c.pos.begin() + from, c.pos.begin() + to),
        seq(c.seq.begin() + from, c.seq.begin() + to);
    const int32_t *live =
        c.live < 0 || n != rows ? nullptr : device.put(std::vector<int32_t>{c.live});
    std::vector<int32_t> cache{pool, c.key_heads, c.places, c.width};
    auto put = [&](const std::vector<float> &x, const std::vector<uint16_t> &x16,
                   const std::vector<int8_t> &x8) -> void * {
      if (c.dtype == FOVEA_Q8_0) return device.put(x8, odd);
      if (c.dtype == FOVEA_F16) return device.put(x16, odd);
      return device.put(x, odd);
    };
    void *keys = put(k, k16, k8), *values = put(v, v16, v8);
    fovea_paged_attention_args a{
        tensor(device.put(some, c.offset), FOVEA_F32, {n, c.heads, c.width}, live),
        tensor(keys, c.dtype, cache),
        tensor(values, c.dtype, cache),
        tensor(device.put(pos), FOVEA_I32, {n}, live),
        tensor(device.put(seq), FOVEA_I32, {n}, live),
        tensor(device.put(pages), FOVEA_I32, {SEQUENCES, c.table}),
        tensor(device.put(nothing, c.offset), FOVEA_F32, {n, c.heads, c.width}, live),
        1 / sqrt(c.width)};
    std::string type = TYPES[c.dtype];
    int32_t line = Device::line(
        "paged_attention", ("f32," + type + "," + type + ",i32,i32,i32->f32").c_str(), variant);
    const char *why = device.rejects(line, &a);
    require(!why, what + ": rejected: " + (why ? why : ""));
    int32_t reported = device.run(line, &a, what);
    if (error) {
      *error = reported;
    } else {
      require(reported == 0, what + ": reports bad data");
    }
    return device.get<float>(a.y.data, some.size());
  }
};

void paged(const char *variant, const PagedCase &c, uint32_t seed) {
  std::string what = std::string("paged_attention ") + TYPES[c.dtype] + " " + variant + " " +
                     std::to_string(c.pos.size()) + "x" + std::to_string(c.heads) + "/" +
                     std::to_string(c.key_heads) + "x" + std::to_string(c.width) + " page " +
                     std::to_string(c.places) + " pos " + std::to_string(c.pos[0]) + ".. q " +
                     std::to_string(c.deviation) + " offset " + std::to_string(c.offset) +
                     " live " + std::to_string(c.live) + " seed " + std::to_string(seed);
  std::mt19937 random(seed);
  Paged x(c, random);
  std::vector<float> y;
  int n = x.counting();
  size_t row = static_cast<size_t>(c.heads) * c.width;
  for (uint64_t order : {uint64_t{seed}, uint64_t{seed} + 1}) {
    Device device(order);
    auto once = x.run(device, variant, 0, x.rows, what);
    if (y.empty()) y = once;
    same_bits(y, once, what);
    same_bits(y, x.run(device, variant, 0, x.rows, what), what + " again");
    // A row alone; the first, the last and one between.
    for (int t : {0, n / 2, n - 1}) {
      auto alone = x.run(device, variant, t, t + 1, what + " alone");
      same_bits(std::vector<float>(y.begin() + t * row, y.begin() + (t + 1) * row), alone,
                what + " row " + std::to_string(t) + " alone");
    }
  }
  Worst worst;
  std::vector<double> expected(c.width), bound(c.width);
  for (int t = 0; t < n; t++) {
    for (int h = 0; h < c.heads; h++) {
      auto in = [&](const std::vector<float> &from) {
        return [&, t, h](int64_t j) { return &from[x.at(c.seq[t], j, h)]; };
      };
      size_t at = t * row + static_cast<size_t>(h) * c.width;
      head(1 / sqrt(c.width), &x.q[at], c.pos[t] + 1, c.width,
           c.dtype == FOVEA_F32   ? 0
           : c.dtype == FOVEA_F16 ? 1
                                  : 2,
           in(x.k), in(x.v), expected.data(), bound.data());
      for (int i = 0; i < c.width; i++)
        worst.take(y[at + i], expected[i], bound[i],
                   what + " row " + std::to_string(t) + " head " + std::to_string(h) + " column " +
                       std::to_string(i));
    }
  }
  for (size_t i = n * row; i < y.size(); i++)
    require(isnan(y[i]), what + ": writes rows that do not count");
  printf("%-90s %5.1f %% of the bound\n", what.c_str(), 100 * worst.share);
}

// Bad positions, sequences and pages are reported; other rows are what they are without.
void bad_data(const char *variant, int32_t dtype, uint32_t seed) {
  std::string what = std::string("paged_attention bad data ") + TYPES[dtype] + " " + variant;
  PagedCase good{dtype, 2, 1, 64, 8, 5, {12, 3, 39, 7}, {0, 1, 2, 0}, 1, 0};
  std::mt19937 random(seed);
  Paged x(good, random);
  Device device(seed);
  auto y = x.run(device, variant, 0, 4, what);
  size_t row = 2 * 64;
  for (auto [pos, seq] : {std::pair{40, 0}, std::pair{-1, 0}, std::pair{0, 3}, std::pair{0, -1}}) {
    PagedCase bad = good;
    bad.pos[1] = pos;
    bad.seq[1] = seq;
    Paged z{bad, random};
    z.pages = x.pages, z.q = x.q, z.k = x.k, z.v = x.v, z.k16 = x.k16, z.v16 = x.v16, z.k8 = x.k8,
    z.v8 = x.v8;
    int32_t error = 0;
    auto other = z.run(device, variant, 0, 4, what, &error);
    require(error == FOVEA_E_RANGE, what + ": not reported");
    for (size_t i = 0; i < y.size(); i++)
      require(i / row == 1 ? isnan(other[i]) : !memcmp(&other[i], &y[i], 4),
              what + ": rows changed");
  }
  Paged z = x;
  for (int page : {-1, x.pool}) {
    z.pages[0] = page;  // of sequence 0: rows 0 and 3
    int32_t error = 0;
    auto other = z.run(device, variant, 0, 4, what, &error);
    require(error == FOVEA_E_RANGE, what + ": bad page not reported");
    for (size_t i = row; i < 3 * row; i++)
      require(!memcmp(&other[i], &y[i], 4), what + ": rows changed");
  }
  // And all is well again.
  same_bits(y, x.run(device, variant, 0, 4, what), what + " afterwards");
}

std::vector<int32_t> range(int from, int count) {
  std::vector<int32_t> x(count);
  for (int i = 0; i < count; i++) x[i] = from + i;
  return x;
}

std::vector<int32_t> all(int value, int count) { return std::vector<int32_t>(count, value); }

}  // namespace

int main() {
  uint32_t seed = 20;
  for (const VisionCase &c : {VisionCase{1, 1, 64, 1, 0},
                              {33, 3, 20, 1, 4},
                              {5, 2, 130, 1, 0},
                              {130, 1, 8, 3, 0},
                              {6, 2, 64, 1, 0, 3}})
    vision("plain", c, seed++);
  for (const VisionCase &c : {VisionCase{1, 1, 64, 1, 0},
                              {2, 3, 64, 1, 0},
                              {17, 2, 64, 1, 4},
                              {31, 1, 64, 6, 0},
                              {33, 1, 64, 60, 0},
                              {65, 1, 64, 1, 0},
                              {97, 2, 64, 1, 12},
                              {41, 2, 64, 1, 0, 18},
                              {257, 1, 64, 1, 0}})
    vision("tf32_parts", c, seed++);

  for (int32_t dtype : {FOVEA_F32, FOVEA_F16, FOVEA_Q8_0}) {
    paged("plain", {dtype, 4, 2, dtype == FOVEA_Q8_0 ? 96 : 20, 4, 9, {0, 35, 7}, {2, 1, 0}, 1, 4},
          seed++);
    paged("plain", {dtype, 2, 2, 128, 32, 5, {159, 128}, {2, 2}, 1, 0}, seed++);
    bad_data("plain", dtype, seed++);
    bad_data("split", dtype, seed++);
    for (int width : {64, 128}) {
      // Every edge of steps, warps, parts and pages.
      paged("split",
            {dtype,
             2,
             2,
             width,
             32,
             5,
             {0, 1, 31, 32, 33, 63, 64, 65, 127, 159},
             {0, 1, 2, 0, 1, 2, 0, 1, 2, 0},
             1,
             0},
            seed++);
      paged("split", {dtype, 3, 1, width, 8, 12, {95, 70, 9}, {1, 1, 0}, 6, 4}, seed++);
      paged("split", {dtype, 12, 2, width, 16, 9, {143, 15, 16, 66}, {2, 0, 1, 0}, 1, 0, 3},
            seed++);
    }
    // Parts must not grow with the batch.
    paged("split", {dtype, 1, 1, 64, 32, 24, range(700, 10), all(1, 10), 1, 0}, seed++);
    paged("split", {dtype, 1, 1, 64, 32, 70, {1023, 1024, 2239}, {0, 1, 2}, 1, 0}, seed++);
  }
  for (int32_t dtype : {FOVEA_F16, FOVEA_Q8_0}) {
    bad_data("mma", dtype, seed++);
    for (int width : {64, 128}) {
      paged("mma", {dtype, 2, 2, width, 32, 5, range(0, 70), all(1, 70), 1, 0}, seed++);
      paged("mma", {dtype, 2, 1, width, 8, 20, range(59, 67), all(2, 67), 6, 4}, seed++);
      paged("mma",
            {dtype,
             1,
             1,
             width,
             16,
             10,
             {159, 3, 64, 63, 0, 128, 65, 127},
             {0, 1, 0, 2, 2, 1, 0, 2},
             1,
             0},
            seed++);
      paged("mma", {dtype, 1, 1, width, 16, 10, range(5, 90), all(0, 90), 60, 0, 65}, seed++);
    }
  }
  puts("ok");
  return 0;
}
