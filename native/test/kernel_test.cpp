// Runs every kernel of a backend's table that this machine can run on small odd shapes against plain loops in binary64: within
// bounds that follow from the arithmetic, with the same bits in three variations (on_cpu.h, on_cuda.h say which) and for a row
// alone or among others, with memory before, behind and past the live rows untouched, and with indices out of range refused.

#include "call.h"

#if defined(FOVEA_TEST_CUDA)
#include "on_cuda.h"
#else
#include "on_cpu.h"
#endif

#include "linear.h"

namespace {

void expect(int32_t kernel, const Call &c, int32_t expected) {
  int32_t status = execute(kernel, c, 2);
  if (status != expected)
    fail("gave status " + std::to_string(status) + ", not " + std::to_string(expected));
}

void expect_range(int32_t kernel, const Call &c) { expect(kernel, c, FOVEA_E_RANGE); }

// Each bad number in turn at one place of a call is refused.
void spoil(int32_t kernel, const Call &c, Buffer &b, int32_t i, std::vector<int32_t> all) {
  int32_t good = b.i32()[i];
  for (int32_t bad : all) {
    b.i32()[i] = bad;
    expect_range(kernel, c);
  }
  b.i32()[i] = good;
}

// ---- elementwise and norms ----

void elementwise(int32_t kernel, const Line &k, int32_t t, int32_t width, bool cut) {
  std::string op = k.op;
  Buffer a(FOVEA_F32, {t, width}), b(FOVEA_F32, {t, width}), g(FOVEA_F32, {width}),
      h(FOVEA_F32, {width}), y(FOVEA_F32, {t, width});
  a.random(op == "gelu" || op == "quick_gelu" ? 4 : 2);
  b.random(1);
  g.random(1);
  h.random(1);
  if (op == "quick_gelu" || op == "silu_mul") {  // far into both tails
    a.f32()[0] = 300;
    if (a.count() > 1) a.f32()[1] = -300;
  }
  int32_t live = cut ? t - 1 : t;
  Call c;
  if (cut) {
    a.live = b.live = y.live = &live;
    c.live = int64_t{live} * width;
  }
  c.tensors = {&a, &b, &y};
  double eps = 1e-5;
  if (op == "rms_norm") {
    c.tensors = {&a, &g, &y};
    c.attributes = {eps};
  } else if (op == "layer_norm") {
    c.tensors = {&a, &g, &h, &y};
    c.attributes = {eps};
  } else if (op == "gelu" || op == "quick_gelu") {
    c.tensors = {&a, &y};
  }
  std::vector<double> p = a.decode(), q = b.decode(), dg = g.decode(), dh = h.decode();
  for (size_t i = 0; i < p.size(); i++) {
    double v = p[i], want, bound;
    size_t column = i % static_cast<size_t>(width), row = i - column;
    if (op == "add") {
      want = v + q[i];
      bound = U * std::fabs(want);
    } else if (op == "silu_mul") {
      want = v * sigmoid(v) * q[i];
      bound = 0x1p-20 * (1 + std::fabs(v) / 8) * std::fabs(want) + 1e-35;
    } else if (op == "quick_gelu") {
      want = v * sigmoid(1.702 * v);
      bound = 0x1p-20 * (1 + std::fabs(v) / 8) * std::fabs(want) + 1e-35;
    } else if (op == "gelu") {
      want = gelu(v);
      bound = 0x1p-20 * std::fabs(v);
    } else {
      double mean = 0, squares = 0, size = 0;
      for (size_t j = 0; j < static_cast<size_t>(width); j++) {
        mean += p[row + j] / width;
        size += std::fabs(p[row + j]) / width;
      }
      bool layer = op == "layer_norm";
      for (size_t j = 0; j < static_cast<size_t>(width); j++) {
        double d = p[row + j] - (layer ? mean : 0);
        squares += d * d;
      }
      double scale = 1 / std::sqrt(squares / width + eps);
      want = (v - (layer ? mean : 0)) * scale * dg[column] + (layer ? dh[column] : 0);
      bound =
          (width + 8) * U * (std::fabs(want) + (layer ? std::fabs(dh[column]) : 0)) +
          (layer ? (width + 2) * U * 3 * (size + std::fabs(v)) * scale * std::fabs(dg[column]) : 0);
    }
    c.want.push_back(want);
    c.bound.push_back(bound);
  }
  check(kernel, c);
}

// ---- rows and places ----

void rope(int32_t kernel, int32_t t, int32_t heads, int32_t width, bool neighbours) {
  Buffer x(FOVEA_F32, {t, heads, width}), pos(FOVEA_I32, {t}), y(FOVEA_F32, {t, heads, width});
  x.random(1);
  for (int32_t i = 0; i < t; i++) pos.i32()[i] = i * 977;
  Call c;
  c.tensors = {&x, &pos, &y};
  c.attributes = {10000, 0.5, neighbours ? 1. : 0.};
  c.whole = true;
  std::vector<double> p = x.decode();
  c.want.resize(p.size());
  c.bound.resize(p.size());
  for (int32_t i = 0; i < t * heads; i++) {
    for (int32_t j = 0; j < width / 2; j++) {
      auto first = static_cast<size_t>(i * width + (neighbours ? 2 * j : j));
      size_t second = first + static_cast<size_t>(neighbours ? 1 : width / 2);
      double angle = pos.i32()[i / heads] * 0.5 / std::pow(10000, 2. * j / width);
      c.want[first] = p[first] * std::cos(angle) - p[second] * std::sin(angle);
      c.want[second] = p[second] * std::cos(angle) + p[first] * std::sin(angle);
      c.bound[first] = c.bound[second] =
          (std::fabs(p[first]) + std::fabs(p[second])) * (4 * U * std::fabs(angle) + 0x1p-21);
    }
  }
  check(kernel, c);
}

void take_rows(int32_t kernel) {
  Buffer x(FOVEA_F32, {7, 21}), rows(FOVEA_I32, {4}), y(FOVEA_F32, {4, 21});
  x.random(1);
  const int32_t which[] = {6, 0, 6, 3};
  memcpy(rows.data(), which, sizeof which);
  Call c;
  c.tensors = {&x, &rows, &y};
  std::vector<double> p = x.decode();
  for (size_t r = 0; r < 4; r++)
    for (size_t i = 0; i < 21; i++) c.want.push_back(p[static_cast<size_t>(which[r]) * 21 + i]);
  c.bound.assign(c.want.size(), 0);
  check(kernel, c);
  for (int32_t bad : {7, -1, INT32_MAX, INT32_MIN}) {
    rows.i32()[2] = bad;
    expect_range(kernel, c);
  }
}

void embed(int32_t kernel, const Line &k) {
  std::vector<std::string> type = types(k.signature);
  bool with_image = type[2] == "f32";
  Buffer ids(FOVEA_I32, {5}), table(code(type[1]), {9, 96}), image(FOVEA_F32, {3, 96}),
      y(FOVEA_F32, {5, 96});
  table.random(1);
  image.random(1);
  const int32_t which[] = {8, 0, with_image ? -3 : 4, with_image ? -1 : 2, 5};
  memcpy(ids.data(), which, sizeof which);
  Call c;
  c.tensors = {&ids, &table, with_image ? &image : nullptr, &y};
  std::vector<double> rows = table.decode(), features = image.decode();
  for (int32_t id : which) {
    for (size_t i = 0; i < 96; i++)
      c.want.push_back(id >= 0 ? rows[static_cast<size_t>(id) * 96 + i]
                               : features[static_cast<size_t>(-id - 1) * 96 + i]);
  }
  c.bound.assign(c.want.size(), 0);
  check(kernel, c);
  for (int32_t bad : {9, with_image ? -4 : -1, INT32_MAX, INT32_MIN}) {
    ids.i32()[4] = bad;
    expect_range(kernel, c);
  }
}

// Spans over a picture of `size` pixels with `padding` more at either end, their weights appended: averages with noise.
void spans(Buffer &to, int32_t size, int32_t padding, std::vector<int32_t> &weights) {
  int32_t n = to.dims[0], whole = size + 2 * padding;
  double scale = static_cast<double>(whole) / n;
  for (int32_t i = 0; i < n; i++) {
    auto low = static_cast<int32_t>(std::fmax(0, scale * (i - 1))),
         high = static_cast<int32_t>(std::fmin(whole, scale * (i + 2) + 1));
    int32_t share = (1 << 22) / (high - low);
    int32_t *span = to.i32() + 4 * i;
    span[0] = span[1] = span[3] = 0;
    span[2] = static_cast<int32_t>(weights.size());
    for (int32_t at = low; at < high; at++) {
      auto w = static_cast<int32_t>(share * (2 * uniform() - 0.25));
      if (at < padding || at >= padding + size) {
        span[3] += w;
      } else {
        if (span[1]++ == 0) span[0] = at - padding;
        weights.push_back(w);
      }
    }
  }
}

struct Resizing {
  int32_t width, height, columns, rows, padding;
  bool turned;
  int32_t spare;  // bytes behind the picture
};

void resize(int32_t kernel, const Resizing &r) {
  Buffer pixels(FOVEA_F32, {3, r.rows, r.columns}),
      picture(FOVEA_U8, {3 * r.width * r.height + r.spare}), geometry(FOVEA_I32, {6}),
      across(FOVEA_I32, {r.columns, 4}), down(FOVEA_I32, {r.rows, 4}), levels(FOVEA_F32, {3, 256});
  picture.random(1);
  levels.random(1);
  const int32_t numbers[] = {r.width, r.height, r.turned, 122, 0, 255};
  memcpy(geometry.data(), numbers, sizeof numbers);
  std::vector<int32_t> list;
  spans(across, r.width, r.padding, list);
  spans(down, r.height, r.padding, list);
  Buffer weights(FOVEA_I32, {static_cast<int32_t>(list.size())});
  memcpy(weights.data(), list.data(), list.size() * 4);
  Call c;
  c.tensors = {&pixels, &picture, &geometry, &across, &down, &weights, &levels, &pixels};

  auto define = [&] {
    auto rounded = [](double sum) {
      double v = std::floor((sum + 0x1p21) / 0x1p22);
      return static_cast<int32_t>(v < 0 ? 0 : v > 255 ? 255 : v);
    };
    auto weighted = [&](const Buffer &b, int32_t i, int32_t pad, auto &&value) {
      int32_t s[4];
      memcpy(s, b.data() + 16 * i, 16);
      double sum = double(s[3]) * pad;
      for (int32_t k = 0; k < s[1]; k++) sum += double(weights.i32()[s[2] + k]) * value(s[0] + k);
      return rounded(sum);
    };
    c.want.assign(static_cast<size_t>(pixels.count()), 0);
    for (int32_t ch = 0; ch < 3; ch++) {
      int32_t color = numbers[3 + ch];
      for (int32_t x = 0; x < r.columns; x++) {
        std::vector<int32_t> line;
        for (int32_t y = 0; y < r.height; y++)
          line.push_back(weighted(across, x, color, [&](int32_t at) {
            return int32_t{picture.data()[(y * r.width + at) * 3 + ch]};
          }));
        int32_t pad = weighted(across, x, color, [&](int32_t) { return color; });
        for (int32_t y = 0; y < r.rows; y++) {
          int32_t v =
              weighted(down, y, pad, [&](int32_t at) { return line[static_cast<size_t>(at)]; });
          int32_t place = r.turned ? x * r.rows + y : y * r.columns + x;
          c.want[static_cast<size_t>(ch * r.rows * r.columns + place)] =
              double{levels.f32()[ch * 256 + v]};
        }
      }
    }
    c.bound.assign(c.want.size(), 0);
  };
  define();
  check(kernel, c);

  int32_t more = (3 * r.width * r.height + r.spare) / (3 * r.height) + 1;
  spoil(kernel, c, geometry, 0, {more, 0, -1, INT32_MAX, INT32_MIN});
  more = (3 * r.width * r.height + r.spare) / (3 * r.width) + 1;
  spoil(kernel, c, geometry, 1, {more, 0, -1, INT32_MAX, INT32_MIN});
  spoil(kernel, c, geometry, 4, {256, -1, INT32_MAX});
  for (Buffer *b : {&across, &down}) {
    int32_t size = b == &across ? r.width : r.height, last = 4 * (b->dims[0] - 1);
    for (int32_t i : {0, last}) {
      const int32_t *s = b->i32() + i;
      spoil(kernel, c, *b, i, {size - s[1] + 1, -1, INT32_MAX, INT32_MIN});
      spoil(kernel, c, *b, i + 1, {size - s[0] + 1, -1, INT32_MAX, INT32_MIN});
      spoil(kernel, c, *b, i + 2, {weights.dims[0] - s[1] + 1, -1, INT32_MAX, INT32_MIN});
    }
  }
  // Weights shared by all spans, more than there is room for where each has its own.
  for (int32_t i = 0; i < r.columns; i++) across.i32()[4 * i + 2] = 0;
  define();
  check(kernel, c);
}

void patchify(int32_t kernel) {
  Buffer pixels(FOVEA_F32, {3, 6, 9}), y(FOVEA_F32, {6, 27});
  pixels.random(1);
  Call c;
  c.tensors = {&pixels, &y};
  c.attributes = {3};
  c.whole = true;
  std::vector<double> p = pixels.decode();
  for (size_t py = 0; py < 6; py += 3)
    for (size_t px = 0; px < 9; px += 3)
      for (size_t channel = 0; channel < 3; channel++)
        for (size_t dy = 0; dy < 3; dy++)
          for (size_t dx = 0; dx < 3; dx++)
            c.want.push_back(p[(channel * 6 + py + dy) * 9 + px + dx]);
  c.bound.assign(c.want.size(), 0);
  check(kernel, c);
}

void concat_rows(int32_t kernel) {
  Buffer a(FOVEA_F32, {2, 19}), b(FOVEA_F32, {5, 19}), y(FOVEA_F32, {7, 19});
  a.random(1);
  b.random(1);
  Call c;
  c.tensors = {&a, &b, &y};
  c.want = a.decode();
  for (double v : b.decode()) c.want.push_back(v);
  c.bound.assign(c.want.size(), 0);
  check(kernel, c);
}

// ---- attention ----

// One head of one row against n keys; `at` gives the first element of each. halves: how many factors of a score, and of what is
// summed up, are rounded to binary16.
void attend(Call &c, const double *q, const std::vector<double> &k, const std::vector<double> &v,
            const std::vector<size_t> &at, size_t width, double scale, int halves) {
  std::vector<double> score(at.size());
  double top = -INFINITY, error = 0, total = 0, largest = 0;
  for (size_t i = 0; i < width; i++) largest = std::fmax(largest, std::fabs(q[i]));
  for (size_t j = 0; j < at.size(); j++) {
    double size = 0, rounding = 0;
    for (size_t i = 0; i < width; i++) {
      score[j] += q[i] * k[at[j] + i] * scale;
      size += std::fabs(q[i] * k[at[j] + i] * scale);
      rounding +=
          (halves * HALF * std::fabs(q[i]) + largest * HALF_TINY) * std::fabs(k[at[j] + i] * scale);
    }
    top = std::fmax(top, score[j]);
    error = std::fmax(error, (static_cast<double>(width) + 3) * U * size + (halves ? rounding : 0));
  }
  for (double s : score) total += std::exp(s - top);
  double common = std::expm1(2 * error) + 0x1p-19 + (2. * static_cast<double>(at.size()) + 8) * U +
                  (halves ? (1 + halves) * HALF : 0);
  for (size_t i = 0; i < width; i++) {
    double y = 0, bound = 0;
    for (size_t j = 0; j < at.size(); j++) {
      double w = std::exp(score[j] - top) / total;
      y += w * v[at[j] + i];
      bound += std::fabs(v[at[j] + i]) *
               (w * (common + 2 * U * (top - score[j])) + (halves ? HALF_TINY / total : 0));
    }
    c.want.push_back(y);
    c.bound.push_back(bound);
  }
}

void attention(int32_t kernel, int32_t n, int32_t heads, int32_t width, double sharpness) {
  Buffer q(FOVEA_F32, {n, heads, width}), k(FOVEA_F32, {n, heads, width}),
      v(FOVEA_F32, {n, heads, width}), y(FOVEA_F32, {n, heads, width});
  q.random(sharpness);
  k.random(1);
  v.random(1);
  Call c;
  c.tensors = {&q, &k, &v, &y};
  c.attributes = {1 / std::sqrt(static_cast<double>(width))};
  std::vector<double> dq = q.decode(), dk = k.decode(), dv = v.decode();
  for (int32_t t = 0; t < n; t++) {
    for (int32_t h = 0; h < heads; h++) {
      std::vector<size_t> at;
      for (int32_t j = 0; j < n; j++) at.push_back(static_cast<size_t>((j * heads + h) * width));
      attend(c, &dq[static_cast<size_t>((t * heads + h) * width)], dk, dv, at,
             static_cast<size_t>(width), c.attributes[0], 0);
    }
  }
  check(kernel, c);
}

// Whether the cache comes in blocks.
bool blocked(const Line &k) { return k.signature.find("q8_0") != std::string::npos; }

const int32_t PAGES[] = {4, 2, 0, 6, 5, 1};  // two sequences of up to three pages

void paged(int32_t kernel, const Line &k, int32_t width, int32_t places) {
  int32_t dtype = code(types(k.signature)[1]);
  const int32_t rows = 5, heads = 4, key_heads = 2;
  Buffer q(FOVEA_F32, {rows, heads, width}), keys(dtype, {7, key_heads, places, width}),
      values(dtype, {7, key_heads, places, width}), pos(FOVEA_I32, {rows}), seq(FOVEA_I32, {rows}),
      pages(FOVEA_I32, {2, 3}), y(FOVEA_F32, {rows, heads, width});
  q.random(2);
  // Blocks' scales are random, and their quants up to 128.
  keys.random(dtype == FOVEA_Q8_0 ? 1. / 32 : 1);
  values.random(dtype == FOVEA_Q8_0 ? 1. / 32 : 1);
  int halves = !HALVES || dtype == FOVEA_F32 ? 0 : dtype == FOVEA_F16 ? 1 : 2;
  const int32_t where[] = {0, places, 3 * places - 1, places - 1, 2 * places + 1};
  const int32_t whose[] = {0, 1, 0, 1, 1};
  memcpy(pos.data(), where, sizeof where);
  memcpy(seq.data(), whose, sizeof whose);
  memcpy(pages.data(), PAGES, sizeof PAGES);
  Call c;
  c.tensors = {&q, &keys, &values, &pos, &seq, &pages, &y};
  c.attributes = {1 / std::sqrt(static_cast<double>(width))};
  std::vector<double> dq = q.decode(), dk = keys.decode(), dv = values.decode();
  for (int32_t t = 0; t < rows; t++) {
    for (int32_t h = 0; h < heads; h++) {
      std::vector<size_t> at;
      for (int32_t j = 0; j <= where[t]; j++) {
        int32_t page = PAGES[whose[t] * 3 + j / places];
        at.push_back(static_cast<size_t>(
            ((page * key_heads + h * key_heads / heads) * places + j % places) * width));
      }
      attend(c, &dq[static_cast<size_t>((t * heads + h) * width)], dk, dv, at,
             static_cast<size_t>(width), c.attributes[0], halves);
    }
  }
  check(kernel, c);
  auto spoil = [&](Buffer &b, int32_t i, int32_t bad) {
    int32_t good = b.i32()[i];
    b.i32()[i] = bad;
    expect_range(kernel, c);
    b.i32()[i] = good;
  };
  for (int32_t bad : {3 * places, -1, INT32_MAX}) spoil(pos, 1, bad);
  for (int32_t bad : {2, -1, INT32_MAX}) spoil(seq, 1, bad);
  for (int32_t bad : {7, -1, INT32_MAX}) spoil(pages, 1, bad);
}

void kv_append(int32_t kernel, const Line &k, int32_t width) {
  int32_t dtype = code(types(k.signature)[0]);
  const int32_t rows = 4, heads = 3, places = 5;
  Buffer cache(dtype, {7, heads, places, width}), x(FOVEA_F32, {rows, heads, width}),
      pos(FOVEA_I32, {rows}), seq(FOVEA_I32, {rows}), pages(FOVEA_I32, {2, 3});
  cache.random(1);
  x.random(1);
  if (dtype == FOVEA_Q8_0) {  // a block with halves of its step
    for (int32_t i = 0; i < 32; i++) x.f32()[i] = static_cast<float>(i % 9 - 4) * 2.5f;
    x.f32()[7] = 127;
  }
  const int32_t where[] = {0, 14, 5, 6}, whose[] = {1, 0, 1, 1};
  memcpy(pos.data(), where, sizeof where);
  memcpy(seq.data(), whose, sizeof whose);
  memcpy(pages.data(), PAGES, sizeof PAGES);
  Call c;
  c.tensors = {&cache, &x, &pos, &seq, &pages, &cache};
  c.want = cache.decode();
  std::vector<double> rounded = x.decode();
  for (int32_t t = 0; t < rows; t++) {
    for (int32_t h = 0; h < heads; h++) {
      for (int32_t i = 0; i < width; i++) {
        int32_t page = PAGES[whose[t] * 3 + where[t] / places];
        double v = rounded[static_cast<size_t>((t * heads + h) * width + i)];
        c.want[static_cast<size_t>(((page * heads + h) * places + where[t] % places) * width + i)] =
            dtype == FOVEA_F16 ? double{half_to_float(float_to_half(v))} : v;
      }
      for (int32_t i = 0; dtype == FOVEA_Q8_0 && i < width; i += 32) {
        int32_t page = PAGES[whose[t] * 3 + where[t] / places];
        double *to = &c.want[static_cast<size_t>(
            ((page * heads + h) * places + where[t] % places) * width + i)];
        float most = 0;
        for (int32_t j = 0; j < 32; j++)
          most = std::fmax(most, static_cast<float>(std::fabs(to[j])));
        float d = most / 127.f;
        for (int32_t j = 0; j < 32; j++)
          to[j] = double{half_to_float(float_to_half(d))} *
                  double{std::roundf(static_cast<float>(to[j]) * (1.f / d))};
      }
    }
  }
  c.bound.assign(c.want.size(), 0);
  check(kernel, c);
  spoil(kernel, c, pos, 1, {3 * places, -1, INT32_MAX});
  spoil(kernel, c, seq, 1, {2, -1, INT32_MIN});
  spoil(kernel, c, pages, 3, {7, -1});
}

// norm_qkv and norm_swiglu against rms_norm, linear maps, rotation and append in binary64. The caches are tensors of the call like
// others: what of them changes is held to the same loops.
void normed(int32_t kernel, const Line &k, int32_t rows, int32_t width, int32_t half,
            bool neighbours) {
  bool qkv = k.op == "norm_qkv";
  int32_t dtype = code(types(k.signature)[2]), heads = 2, key_heads = 1;
  int32_t places = rows > 30 ? 19 : 5;  // odd and no multiple of 7: each row has a place of its own
  int32_t head = 2 * half, outs = qkv ? heads * head : half,
          key_outs = qkv ? key_heads * head : outs;
  if (rows > linear_rows(k.variant)) return;
  if (dtype == FOVEA_Q4_G128) width = (width + 127) / 128 * 128;
  Buffer x(FOVEA_F32, {rows, width}), g(FOVEA_F32, {width}), w(dtype, {outs, width}),
      wk(dtype, {key_outs, width}), wv(dtype, {key_outs, width}), pos(FOVEA_I32, {rows}),
      seq(FOVEA_I32, {rows}), pages(FOVEA_I32, {2, 3}), y(FOVEA_F32, {rows, outs});
  int32_t cached = qkv ? code(types(k.signature)[5]) : FOVEA_F32;
  Buffer keys(cached, {7, key_heads, places, head}), values(cached, {7, key_heads, places, head});
  for (Buffer *b : {&x, &g, &keys, &values}) b->random(1);
  for (Buffer *b : {&w, &wk, &wv}) b->random(0.2);
  for (int32_t t = 0; t < rows; t++) {
    pos.i32()[t] = t * 7 % (3 * places);
    seq.i32()[t] = t % 2;
  }
  memcpy(pages.data(), PAGES, sizeof PAGES);
  if (qkv) y.dims = {rows, heads, head};
  Call c;
  c.tensors = {&x, &g, &w, &wk, &y};
  c.attributes = {1e-5};
  if (qkv) {
    c.tensors = {&x, &g, &w, &wk, &wv, &keys, &values, &pos, &seq, &pages, &y};
    c.attributes = {1e-5, 10000, 0.5, neighbours ? 1. : 0.};
    c.whole = true;
  }
  std::vector<double> dx = x.decode(), dg = g.decode();
  const std::vector<double> dw[] = {w.decode(), wk.decode(), wv.decode()};
  std::vector<double> normal(static_cast<size_t>(width));
  // The map m of row t's norm at output o, and how far a kernel may be off.
  std::vector<double> rounding;
  auto map = [&](int m, int32_t o, double &bound) {
    double v = 0;
    bound = 0;
    for (size_t j = 0; j < static_cast<size_t>(width); j++) {
      double weight = dw[m][static_cast<size_t>(o) * static_cast<size_t>(width) + j];
      v += weight * normal[j];
      bound += std::fabs(weight) * (rounding[j] + std::fabs(normal[j]) * (2 * width + 20) * U);
    }
    return v;
  };
  std::vector<double> want[2] = {keys.decode(), values.decode()}, bound[2];
  for (int i = 0; i < 2; i++) bound[i].assign(want[i].size(), 0);
  for (int32_t t = 0; t < rows; t++) {
    double squares = 0;
    const double *row = &dx[static_cast<size_t>(t) * static_cast<size_t>(width)];
    for (int32_t j = 0; j < width; j++) squares += row[j] * row[j];
    for (size_t j = 0; j < normal.size(); j++)
      normal[j] = row[j] / std::sqrt(squares / width + 1e-5) * dg[j];
    rounding = linear_rounding(dtype, normal.data(), width);
    if (!qkv) {
      for (int32_t o = 0; o < outs; o++) {
        double e, f, v = map(0, o, e), u = map(1, o, f), s = v * sigmoid(v);
        c.want.push_back(s * u);
        c.bound.push_back(1.2 * e * (std::fabs(u) + f) + std::fabs(s) * f +
                          0x1p-20 * (1 + std::fabs(v)) * std::fabs(s * u) + 1e-37);
      }
      continue;
    }
    for (int32_t h = 0; h < heads + 2 * key_heads; h++) {
      int m = h < heads ? 0 : h < heads + key_heads ? 1 : 2;
      int32_t first = m == 0 ? h : 0;
      std::vector<double> v(static_cast<size_t>(head)), e(v);
      for (int32_t i = 0; i < half; i++) {
        auto a = static_cast<size_t>(neighbours ? 2 * i : i);
        size_t b = a + static_cast<size_t>(neighbours ? 1 : half);
        double ea, eb, va = map(m, first * head + static_cast<int32_t>(a), ea),
                       vb = map(m, first * head + static_cast<int32_t>(b), eb);
        double angle = pos.i32()[t] * 0.5 / std::pow(10000, static_cast<double>(i) / half);
        double cosine = m == 2 ? 1 : std::cos(angle), sine = m == 2 ? 0 : std::sin(angle);
        v[a] = va * cosine - vb * sine;
        v[b] = vb * cosine + va * sine;
        double turn =
            (std::fabs(va) + std::fabs(vb)) * (4 * U * std::fabs(angle) + 0x1p-21) + 1e-37;
        e[a] = ea * std::fabs(cosine) + eb * std::fabs(sine) + turn;
        e[b] = eb * std::fabs(cosine) + ea * std::fabs(sine) + turn;
      }
      int32_t page = PAGES[seq.i32()[t] * 3 + pos.i32()[t] / places];
      for (size_t i = 0; i < v.size(); i++) {
        if (m == 0) {
          c.want.push_back(v[i]);
          c.bound.push_back(e[i]);
        } else {
          size_t at = static_cast<size_t>(page * places + pos.i32()[t] % places) * v.size() + i;
          want[m - 1][at] = v[i];
          bound[m - 1][at] =
              e[i] + (cached == FOVEA_F16 ? std::fabs(v[i]) * 2 * HALF + 0x1p-24 : 0);
        }
      }
    }
  }
  check(kernel, c);

  // Every row alone has the bits it has among the others, and writes them into the caches.
  int32_t step = ALONE ? std::max(1, (rows - 1) / (ALONE - 1)) : 1;
  for (int32_t t = 0; t < rows; t += step) {
    Buffer row(FOVEA_F32, {1, width}), its_pos(FOVEA_I32, {1}), its_seq(FOVEA_I32, {1}),
        its_keys(cached, keys.dims), its_values(cached, values.dims), out(FOVEA_F32, {1, outs});
    memcpy(row.data(), x.f32() + int64_t{t} * width, row.bytes());
    its_pos.i32()[0] = pos.i32()[t];
    its_seq.i32()[0] = seq.i32()[t];
    Call alone = c;
    alone.tensors.front() = &row;
    alone.tensors.back() = &out;
    if (qkv) {
      out.dims = {1, heads, head};
      alone.tensors[5] = &its_keys;
      alone.tensors[6] = &its_values;
      alone.tensors[7] = &its_pos;
      alone.tensors[8] = &its_seq;
    }
    if (execute(kernel, alone, 1) != FOVEA_OK) return fail("a row alone failed");
    if (memcmp(out.data(), y.data() + static_cast<size_t>(t) * out.bytes(), out.bytes()) != 0)
      return fail("row " + std::to_string(t) + " alone has other bits");
    if (!qkv) continue;
    size_t bytes = keys.bytes() / static_cast<size_t>(7 * places);
    int32_t page = PAGES[seq.i32()[t] * 3 + pos.i32()[t] / places];
    size_t at = static_cast<size_t>(page * places + pos.i32()[t] % places) * bytes;
    if (memcmp(its_keys.data() + at, keys.data() + at, bytes) != 0 ||
        memcmp(its_values.data() + at, values.data() + at, bytes) != 0)
      return fail("row " + std::to_string(t) + " alone has other bits in the cache");
  }
  if (!qkv) return;
  // check() has run it: the caches hold what the last run wrote.
  const Buffer *caches[] = {&keys, &values};
  for (int i = 0; i < 2; i++) {
    std::vector<double> got = caches[i]->decode();
    for (size_t j = 0; j < got.size(); j++)
      if (!(std::fabs(got[j] - want[i][j]) <= bound[i][j]))
        return fail("element " + std::to_string(j) + " of cache " + std::to_string(i) + " is " +
                    std::to_string(got[j]) + ", not " + std::to_string(want[i][j]));
  }
  if (rows > 1) {
    spoil(kernel, c, pos, 1, {3 * places, -1, INT32_MAX});
    spoil(kernel, c, seq, 1, {2, -1, INT32_MIN});
    spoil(kernel, c, pages, 4, {7, -1});  // row 1's
  }
}

// tokens [2,9] counts up from 0; rows stand at (1,8), (0,0), (1,3).
struct Places {
  Buffer tokens{FOVEA_I32, {2, 9}}, seq{FOVEA_I32, {3}}, pos{FOVEA_I32, {3}};
  explicit Places(std::vector<int32_t> at) {
    for (int32_t i = 0; i < 18; i++) tokens.i32()[i] = i;
    const int32_t whose[] = {1, 0, 1};
    memcpy(seq.data(), whose, sizeof whose);
    memcpy(pos.data(), at.data(), 12);
  }
};

void token_at(int32_t kernel) {
  Places p({8, 0, 3});
  Buffer y(FOVEA_I32, {3});
  Call c;
  c.tensors = {&p.tokens, &p.seq, &p.pos, &y};
  c.want = {17, 0, 12};
  c.bound.assign(3, 0);
  check(kernel, c);
  spoil(kernel, c, p.pos, 1, {9, -1, INT32_MAX});
  spoil(kernel, c, p.seq, 1, {2, -1, INT32_MIN});
}

void put_token(int32_t kernel) {
  Places p({7, -1, 3});
  p.seq.i32()[2] = 0;
  Buffer ids(FOVEA_I32, {3});
  const int32_t which[] = {100, 200, 300};
  memcpy(ids.data(), which, sizeof which);
  Call c;
  c.tensors = {&p.tokens, &ids, &p.seq, &p.pos, &p.tokens};
  c.want = p.tokens.decode();
  c.want[17] = 100;
  c.want[4] = 300;
  c.bound.assign(18, 0);
  check(kernel, c);
  spoil(kernel, c, p.pos, 0, {8, INT32_MAX});
  spoil(kernel, c, p.seq, 2, {2, -1, INT32_MIN});
}

void advance(int32_t kernel) {
  Buffer pos(FOVEA_I32, {3});
  const int32_t from[] = {0, 41, 7};
  memcpy(pos.data(), from, sizeof from);
  int32_t live = 2;
  pos.live = &live;
  Call c;
  c.tensors = {&pos, &pos};
  c.want = {1, 42, 7};
  c.bound.assign(3, 0);
  check(kernel, c);
  spoil(kernel, c, pos, 1, {INT32_MAX});
}

// What the definition says of each number of control is checked against the definition; here: the plain cases and the refusals.
void sample(int32_t kernel) {
  Places p({8, 0, -1});
  Buffer logits(FOVEA_F32, {3, 50}), control(FOVEA_F32, {3, 5}), seed(FOVEA_I32, {3, 2}),
      y(FOVEA_I32, {3});
  logits.random(1);
  logits.f32()[17] = 20;  // row 0: seen at (1,8), and outweighed once that is penalized
  logits.f32()[31] = 15;
  logits.f32()[50 + 44] = 20;  // row 1
  logits.f32()[50 + 48] = 99;  // beyond the vocabulary
  for (int32_t r = 0; r < 3; r++) {
    const float greedy[] = {0, 0, 1, 0, 2};
    memcpy(control.f32() + 5 * r, greedy, sizeof greedy);
    seed.i32()[2 * r] = 7 * r;
    seed.i32()[2 * r + 1] = -r;
  }
  Call c;
  c.tensors = {&logits, &p.tokens, &p.seq, &p.pos, &control, &seed, &y};
  c.attributes = {48};
  c.whole = true;
  c.want = {31, 44, -1};
  c.bound.assign(3, 0);
  check(kernel, c);
  const float one[] = {1.5f, 1, 1, 0, 2}, sharp[] = {0.5f, 0, 0.5f, 0.1f, 1};
  memcpy(control.f32(), one, sizeof one);
  memcpy(control.f32() + 5, sharp, sizeof sharp);
  check(kernel, c);
  spoil(kernel, c, p.pos, 1, {9, INT32_MAX});
  spoil(kernel, c, p.seq, 1, {2, -1, INT32_MIN});
  for (int32_t i = 0; i < 5; i++) {
    float good = control.f32()[i];
    control.f32()[i] = NAN;
    expect_range(kernel, c);
    control.f32()[i] = good;
  }
  logits.f32()[50 + 47] = NAN;
  expect(kernel, c, FOVEA_E_NUMBER);
}

}  // namespace

int main() {
  int checked = 0;
  for (int32_t i = 0; i < line_count(); i++) {
    Line k;
    if (!line_at(i, k)) continue;
    std::string op = k.op;
    current = op + " " + k.signature + " " + k.variant;
    checked++;
    if (op == "swiglu" || op.rfind("linear", 0) == 0) {
      bool blocks = in_blocks(code(types(k.signature)[1]));
      linear(i, k, {1, 32, 1});
      linear(i, k, {3, blocks ? 544 : 77, 37, 1});
      linear(i, k, {29, blocks ? 672 : 61, 35, 0, ALONE});
      linear(i, k, {9, blocks ? 512 : 64, 64, 1, ALONE});
      linear(i, k, {103, blocks ? 512 : 91, 35, 1, ALONE});
      linear(i, k, {2, blocks ? 1120 : 1, 3});
    } else if (op == "norm_swiglu" || op == "norm_qkv") {
      normed(i, k, 1, 64, 3, false);
      normed(i, k, 2, 160, 40, true);
      normed(i, k, 4, 96, 64, false);
      normed(i, k, 30, 64, 36, true);
      normed(i, k, 103, 64, 36, false);
    } else if (op == "add" || op == "silu_mul" || op == "quick_gelu" || op == "gelu" ||
               op == "rms_norm" || op == "layer_norm") {
      elementwise(i, k, 1, 1, false);
      elementwise(i, k, 5, 33, true);
      elementwise(i, k, 40, 515, false);
    } else if (op == "rope") {
      for (bool neighbours : {false, true}) {
        rope(i, 3, 2, 6, neighbours);
        rope(i, 5, 3, 128, neighbours);
      }
    } else if (op == "take_rows") {
      take_rows(i);
    } else if (op == "token_at") {
      token_at(i);
    } else if (op == "put_token") {
      put_token(i);
    } else if (op == "advance") {
      advance(i);
    } else if (op == "sample") {
      sample(i);
    } else if (op == "embed") {
      embed(i, k);
    } else if (op == "resize") {
      resize(i, {1, 1, 1, 1, 0, false, 0});
      resize(i, {50, 301, 35, 11, 0, false, 0});
      resize(i, {7, 5, 40, 33, 0, true, 1});
      resize(i, {90, 20, 33, 17, 37, false, 400});
    } else if (op == "patchify") {
      patchify(i);
    } else if (op == "concat_rows") {
      concat_rows(i);
    } else if (op == "attention") {
      if (k.variant != "tf32_parts") {  // heads of 64 alone
        attention(i, 1, 1, 8, 1);
        attention(i, 37, 3, 20, 1);
      }
      attention(i, 66, 2, 64, 5);
    } else if (op == "paged_attention") {
      bool fast = k.variant == "split" || k.variant == "mma";  // those: 64 and 128
      if (!fast) paged(i, k, blocked(k) ? 96 : 20, 4);
      paged(i, k, 64, 16);
      paged(i, k, 128, 3);
    } else if (op == "kv_append") {
      if (!blocked(k)) kv_append(i, k, 17);
      kv_append(i, k, 64);
      kv_append(i, k, 96);
    } else {
      fail("has no test");
    }
  }
  more_tests();
  printf("%d kernels, %d failures\n", checked, failures);
  return failures != 0 || checked == 0;
}
