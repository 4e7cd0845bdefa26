// Linear maps, what may come before them and what may follow: linear, linear_add, linear_quick_gelu, linear_gelu, swiglu,
// norm_swiglu, norm_qkv.
//
// y[t][o] = dot(x[t], w[o]) for all rows t and outputs o. Weights are read as stored: a tile of 32 weight rows is handed to
// a thread, stays in its second-level cache and meets all rows of x, some at a time. dot_float.h and dot_quantized.h have the
// dot products; their bits depend neither on the number of threads nor on how many rows of x there are.
//
// Traffic: w once per run (x and y are small beside it); for one row of x this is the whole cost.

#include "dot_float.h"
#include "dot_quantized.h"

namespace fovea {
namespace {

// ---- the walk over tiles ----

// What the ops but norm_qkv have in common. r: residual; up: second weights of swiglu; g: of the norm before the map, if any.
struct Call {
  const fovea_tensor *x, *w, *b, *r, *up, *y;
  const fovea_tensor *g = nullptr;
  double eps = 0;
};

// rms_norm.cpp's arithmetic, bit for bit.
void normalize(const float *x, const float *g, double eps, int64_t width, float *y) {
  float sum = dot(x, x, width);
  float scale = 1.f / sqrtf(sum / static_cast<float>(width) + static_cast<float>(eps));
  for (int64_t i = 0; i < width; i++) y[i] = x[i] * scale * g[i];
}

// x in the form that W's products read.
struct Operand {
  const uint8_t *data;
  int64_t row;  // bytes
};

// Whether n rows of x are multiplied with panels, and what a row of x and a panel then take.
template <class W>
struct Way {
  bool panels = false;
  int64_t x_bytes, panel_bytes = 0;

  Way(int64_t n, int64_t width) : x_bytes(W::x_bytes(width)) {
    if constexpr (W::PANELS) {
      panels = n > W::STREAM;
      if (!panels) return;
      x_bytes = W::panel_x_bytes(width);
      panel_bytes = align64(W::panel_bytes(width));
    }
  }
};

// Scratch memory that making it takes, by whichever way fewer rows may go: where it goes, then, where x is normalized on the way to
// another form, a row a thread.
template <class W>
int64_t operand_bytes(int64_t rows, int64_t width, bool norm, int threads) {
  int64_t few = Way<W>(0, width).x_bytes, many = Way<W>(rows, width).x_bytes;
  int64_t bytes = few > many ? few : many, row = align64(width * 4);
  if (!norm) return rows * bytes;
  if (!few && bytes < row) bytes = row;
  return rows * bytes + (few || many ? threads * row : 0);
}

template <class W>
Operand operand(Run &run, const Way<W> &way, const fovea_tensor &x, int64_t n, const float *g,
                double eps) {
  int64_t width = x.dim[1], bytes = way.x_bytes, row = align64(width * 4);
  if (!bytes && !g) return {static_cast<const uint8_t *>(x.data), width * 4};
  ranges(run, n, 4, [&](int64_t from, int64_t to, int thread) {
    for (int64_t t = from; t < to; t++) {
      const float *one = f32(x) + t * width;
      if (g) {
        uint8_t *place = bytes ? run.scratch + n * bytes + thread * row : run.scratch + t * row;
        normalize(one, g, eps, width, reinterpret_cast<float *>(place));
        one = reinterpret_cast<float *>(place);
      }
      if (!bytes) continue;
      if constexpr (W::PANELS) {
        if (way.panels) {
          W::prepare_panel(one, width, run.scratch + t * bytes);
          continue;
        }
      }
      W::prepare(one, width, run.scratch + t * bytes);
    }
  });
  return {run.scratch, bytes ? bytes : row};
}

enum class Then { NOTHING, ADD, QUICK_GELU, GELU, SWIGLU, NORM_SWIGLU };

constexpr bool gated(Then then) { return then == Then::SWIGLU || then == Then::NORM_SWIGLU; }

template <Then THEN>
void finish(const Call &c, float *first, const float *second, int64_t t, int64_t o, int64_t rows) {
  int64_t outs = c.w->dim[0];
  float *y = out32(*c.y) + t * outs + o;
  if (c.b && c.b->data) {
    for (int64_t i = 0; i < rows; i++) first[i] += f32(*c.b)[o + i];
  }
  if constexpr (THEN == Then::ADD) {
    const float *r = f32(*c.r) + t * outs + o;
    for (int64_t i = 0; i < rows; i++) y[i] = r[i] + first[i];
  } else if constexpr (THEN == Then::QUICK_GELU) {
    for (int64_t i = 0; i < rows; i++) y[i] = quick_gelu(first[i]);
  } else if constexpr (THEN == Then::GELU) {
    for (int64_t i = 0; i < rows; i++)
      y[i] = 0.5f * first[i] * (1.f + erff(first[i] * 0.70710678f));
  } else if constexpr (gated(THEN)) {
    for (int64_t i = 0; i < rows; i++) y[i] = silu(first[i]) * second[i];
  } else {
    for (int64_t i = 0; i < rows; i++) y[i] = first[i];
  }
}

template <class W, Then THEN>
int32_t walk(Run &run, const Call &c) {
  constexpr int MAPS = gated(THEN) ? 2 : 1;
  int64_t width = c.x->dim[1];
  int64_t outs = c.w->dim[0];
  int64_t n = live_rows(*c.x);
  if (n < 0) return FOVEA_E_RANGE;
  Way<W> way(n, width);
  auto [x, x_row] = operand<W>(run, way, *c.x, n, c.g ? f32(*c.g) : nullptr, c.eps);
  const void *weights[MAPS] = {c.w->data};
  if constexpr (gated(THEN)) weights[1] = c.up->data;
  int64_t stride = W::row_bytes(width);
  uint8_t *panel_memory =
      run.scratch + operand_bytes<W>(c.x->dim[0], width, c.g != nullptr, run.threads);
  ranges(run, outs, TILE, [&](int64_t from, int64_t to, int thread) {
    alignas(64) float sums[MAPS][W::AT_ONCE * TILE];
    uint8_t *panel = panel_memory + thread * MAPS * way.panel_bytes;
    const uint8_t *w[MAPS];
    for (int m = 0; m < MAPS; m++) {
      w[m] = static_cast<const uint8_t *>(weights[m]) + from * stride;
      if constexpr (W::PANELS) {
        if (way.panels) W::unpack(w[m], to - from, width, panel + m * way.panel_bytes);
      }
    }
    for (int64_t t = 0; t < n; t += W::AT_ONCE) {
      int64_t count = n - t < W::AT_ONCE ? n - t : W::AT_ONCE;
      for (int m = 0; m < MAPS; m++) {
        if constexpr (W::PANELS) {
          if (way.panels) {
            W::multiply_panel(panel + m * way.panel_bytes, x + t * x_row, x_row, width, count,
                              sums[m]);
            continue;
          }
        }
        W::multiply(w[m], to - from, x + t * x_row, x_row, width, count, sums[m]);
      }
      for (int64_t i = 0; i < count; i++)
        finish<THEN>(c, sums[0] + i * TILE, sums[MAPS - 1] + i * TILE, t + i, from, to - from);
    }
  });
  return FOVEA_OK;
}

template <Then THEN>
Call call(const void *args) {
  if constexpr (THEN == Then::NORM_SWIGLU) {
    auto *a = static_cast<const fovea_norm_swiglu_args *>(args);
    return {&a->x, &a->gate, nullptr, nullptr, &a->up, &a->y, &a->g, a->eps};
  } else if constexpr (THEN == Then::ADD) {
    auto *a = static_cast<const fovea_linear_add_args *>(args);
    return {&a->x, &a->w, &a->b, &a->r, nullptr, &a->y};
  } else if constexpr (THEN == Then::SWIGLU) {
    auto *a = static_cast<const fovea_swiglu_args *>(args);
    return {&a->x, &a->gate, nullptr, nullptr, &a->up, &a->y};
  } else {  // the other three structs have the same fields
    auto *a = static_cast<const fovea_linear_args *>(args);
    return {&a->x, &a->w, &a->b, nullptr, nullptr, &a->y};
  }
}

template <class W, Then THEN>
int32_t run_(Run &run, const void *args) {
  return walk<W, THEN>(run, call<THEN>(args));
}

template <class W, Then THEN>
int64_t scratch(const void *args, int threads) {
  Call c = call<THEN>(args);
  int64_t rows = c.x->dim[0], width = c.x->dim[1];
  return operand_bytes<W>(rows, width, c.g != nullptr, threads) +
         threads * (gated(THEN) ? 2 : 1) * Way<W>(rows, width).panel_bytes;
}

template <Then THEN>
const char *refuses(const void *args) {
  if constexpr (THEN == Then::NORM_SWIGLU) {
    return check(*static_cast<const fovea_norm_swiglu_args *>(args));
  } else {
    Call c = call<THEN>(args);
    return check_linear(*c.x, *c.w, c.b, c.r, c.up, *c.y);
  }
}

// ---- norm_qkv ----

// A piece of work is up to TILE pairs of outputs that are turned together: of one head of one map, so that what both members of a
// pair become is known at once. Two tiles of rows of weights: for pairs (i, i+Dh/2) some of either half, for neighbours the
// same number of rows one after the other.
struct Qkv {
  const fovea_norm_qkv_args &a;
  int64_t width, half, heads, key_heads, pieces;  // pieces of a head

  explicit Qkv(const fovea_norm_qkv_args &a)
      : a(a),
        width(a.k.dim[3]),
        half(width / 2),
        heads(a.y.dim[1]),
        key_heads(a.k.dim[1]),
        pieces((half + TILE - 1) / TILE) {}

  const fovea_tensor &weights(int64_t head) const {
    return head < heads ? a.wq : head < heads + key_heads ? a.wk : a.wv;
  }
  int64_t in_map(int64_t head) const { return head < heads ? head : (head - heads) % key_heads; }
};

// Cosines, then sines, of every row's angles; first scratch memory for the frequencies.
void turns(Run &run, const Qkv &q, int64_t n, uint8_t *memory) {
  auto *frequency = reinterpret_cast<double *>(memory);
  auto *tables = reinterpret_cast<float *>(memory + align64(q.half * 8));
  for (int64_t i = 0; i < q.half; i++)
    frequency[i] =
        q.a.scale * pow(q.a.theta, -2.0 * static_cast<double>(i) / static_cast<double>(q.width));
  ranges(run, n, 1, [&](int64_t t, int64_t, int) {
    double pos = i32(q.a.pos)[t];
    float *cosine = tables + t * q.width, *sine = cosine + q.half;
    for (int64_t i = 0; i < q.half; i++) {
      cosine[i] = static_cast<float>(cos(pos * frequency[i]));
      sine[i] = static_cast<float>(sin(pos * frequency[i]));
    }
  });
}

int64_t turns_bytes(const Qkv &q) {
  return align64(q.half * 8) + align64(q.a.x.dim[0] * q.width * 4);
}

// Where row t's head begins in a cache, in elements; -1 if a number makes no sense.
int64_t place(const Qkv &q, int64_t t, int64_t head) {
  const fovea_norm_qkv_args &a = q.a;
  int32_t pos = i32(a.pos)[t], seq = i32(a.seq)[t], places = a.k.dim[2];
  if (pos < 0 || pos / places >= a.pages.dim[1] || seq < 0 || seq >= a.pages.dim[0]) return -1;
  int64_t page = i32(a.pages)[int64_t{seq} * a.pages.dim[1] + pos / places];
  if (page < 0 || page >= a.k.dim[0]) return -1;
  return ((page * q.key_heads + head) * places + pos % places) * q.width;
}

// Pairs i .. i+count-1 of row t of a head: their first members and their second.
void finish(const Qkv &q, const float *table, int64_t t, int64_t head, int64_t i, int64_t count,
            const float *first, const float *second) {
  bool neighbours = q.a.neighbours != 0, turned = head < q.heads + q.key_heads;
  float turned_first[TILE], turned_second[TILE];
  const float *cosine = table + t * q.width + i, *sine = cosine + q.half;
  if (turned) {
    for (int64_t j = 0; j < count; j++) {
      turned_first[j] = first[j] * cosine[j] - second[j] * sine[j];
      turned_second[j] = second[j] * cosine[j] + first[j] * sine[j];
    }
    first = turned_first;
    second = turned_second;
  }
  int64_t at = neighbours ? 2 * i : i, step = neighbours ? 2 : 1, apart = neighbours ? 1 : q.half;
  if (head < q.heads) {
    float *y = out32(q.a.y) + (t * q.heads + head) * q.width + at;
    for (int64_t j = 0; j < count; j++) {
      y[j * step] = first[j];
      y[j * step + apart] = second[j];
    }
    return;
  }
  const fovea_tensor &cache = turned ? q.a.k : q.a.v;
  at += place(q, t, q.in_map(head));
  if (cache.dtype == FOVEA_F16) {
    auto *y = static_cast<uint16_t *>(cache.data) + at;
    for (int64_t j = 0; j < count; j++) {
      y[j * step] = to_half(first[j]);
      y[j * step + apart] = to_half(second[j]);
    }
  } else {
    float *y = out32(cache) + at;
    for (int64_t j = 0; j < count; j++) {
      y[j * step] = first[j];
      y[j * step + apart] = second[j];
    }
  }
}

template <class W>
int64_t scratch_qkv(const void *args, int threads) {
  Qkv q(*static_cast<const fovea_norm_qkv_args *>(args));
  int64_t rows = q.a.x.dim[0], width = q.a.x.dim[1];
  return align64(operand_bytes<W>(rows, width, true, threads)) + turns_bytes(q) +
         2 * threads * Way<W>(rows, width).panel_bytes;
}

template <class W>
int32_t run_qkv(Run &run, const void *args) {
  Qkv q(*static_cast<const fovea_norm_qkv_args *>(args));
  const fovea_norm_qkv_args &a = q.a;
  int64_t n = live_rows(a.x), width = a.x.dim[1];
  if (n < 0) return FOVEA_E_RANGE;
  for (int64_t t = 0; t < n; t++)
    if (place(q, t, 0) < 0) return FOVEA_E_RANGE;
  Way<W> way(n, width);
  auto [x, x_row] = operand<W>(run, way, a.x, n, f32(a.g), a.eps);
  uint8_t *memory = run.scratch + align64(operand_bytes<W>(a.x.dim[0], width, true, run.threads));
  turns(run, q, n, memory);
  auto *table = reinterpret_cast<const float *>(memory + align64(q.half * 8));
  uint8_t *panel_memory = memory + turns_bytes(q);
  int64_t stride = W::row_bytes(width);
  bool neighbours = a.neighbours != 0;
  each(run, (q.heads + 2 * q.key_heads) * q.pieces, [&](int64_t index, int thread) {
    alignas(64) float sums[2][W::AT_ONCE * TILE];
    int64_t head = index / q.pieces, i = index % q.pieces * TILE;
    int64_t pairs = q.half - i < TILE ? q.half - i : TILE;
    const uint8_t *w[2];
    w[0] = static_cast<const uint8_t *>(q.weights(head).data) +
           (q.in_map(head) * q.width + (neighbours ? 2 * i : i)) * stride;
    w[1] = w[0] + (neighbours ? pairs : q.half) * stride;
    uint8_t *panel = panel_memory + thread * 2 * way.panel_bytes;
    if constexpr (W::PANELS) {
      if (way.panels)
        for (int m = 0; m < 2; m++) W::unpack(w[m], pairs, width, panel + m * way.panel_bytes);
    }
    for (int64_t t = 0; t < n; t += W::AT_ONCE) {
      int64_t count = n - t < W::AT_ONCE ? n - t : W::AT_ONCE;
      for (int m = 0; m < 2; m++) {
        if constexpr (W::PANELS) {
          if (way.panels) {
            W::multiply_panel(panel + m * way.panel_bytes, x + t * x_row, x_row, width, count,
                              sums[m]);
            continue;
          }
        }
        W::multiply(w[m], pairs, x + t * x_row, x_row, width, count, sums[m]);
      }
      for (int64_t c = 0; c < count; c++) {
        const float *first = sums[0] + c * TILE, *second = sums[1] + c * TILE;
        float even[TILE], odd[TILE];
        if (neighbours) {
          auto sum = [&](int64_t j) { return j < pairs ? first[j] : second[j - pairs]; };
          for (int64_t j = 0; j < pairs; j++) {
            even[j] = sum(2 * j);
            odd[j] = sum(2 * j + 1);
          }
          first = even;
          second = odd;
        }
        finish(q, table, t + c, head, i, pairs, first, second);
      }
    }
  });
  return FOVEA_OK;
}

#if defined(__AVX512BF16__) || defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
using Bfloat = DotBF16;
#else
using Bfloat = Plain<BF16>;
#endif

// Lines of the kernel table.
#define PLAIN(op, struct, then, type, W)                                                      \
  {op,                                                                                        \
   "f32," type ",_->f32",                                                                     \
   FOVEA_VARIANT,                                                                             \
   sizeof(struct),                                                                            \
   run_<W, then>,                                                                             \
   refuses<then>,                                                                             \
   scratch<W, then>},                                                                         \
  {                                                                                           \
    op, "f32," type ",f32->f32", FOVEA_VARIANT, sizeof(struct), run_<W, then>, refuses<then>, \
        scratch<W, then>                                                                      \
  }
#define RESIDUAL(type, W)                                                                    \
  {"linear_add",         "f32," type ",_,f32->f32",                                          \
   FOVEA_VARIANT,        sizeof(fovea_linear_add_args),                                      \
   run_<W, Then::ADD>,   refuses<Then::ADD>,                                                 \
   scratch<W, Then::ADD>},                                                                   \
  {                                                                                          \
    "linear_add", "f32," type ",f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_linear_add_args), \
        run_<W, Then::ADD>, refuses<Then::ADD>, scratch<W, Then::ADD>                        \
  }
#define GATED(type, W)                                                                \
  {                                                                                   \
    "swiglu", "f32," type "," type "->f32", FOVEA_VARIANT, sizeof(fovea_swiglu_args), \
        run_<W, Then::SWIGLU>, refuses<Then::SWIGLU>, scratch<W, Then::SWIGLU>        \
  }
#define NORMED(type, W)                                                                       \
  {"norm_swiglu",                                                                             \
   "f32,f32," type "," type "->f32",                                                          \
   FOVEA_VARIANT,                                                                             \
   sizeof(fovea_norm_swiglu_args),                                                            \
   run_<W, Then::NORM_SWIGLU>,                                                                \
   refuses<Then::NORM_SWIGLU>,                                                                \
   scratch<W, Then::NORM_SWIGLU>},                                                            \
      {"norm_qkv",    "f32,f32," type "," type "," type ",f32,f32,i32,i32,i32->f32",          \
       FOVEA_VARIANT, sizeof(fovea_norm_qkv_args),                                            \
       run_qkv<W>,    rejects<fovea_norm_qkv_args>,                                           \
       scratch_qkv<W>},                                                                       \
  {                                                                                           \
    "norm_qkv", "f32,f32," type "," type "," type ",f16,f16,i32,i32,i32->f32", FOVEA_VARIANT, \
        sizeof(fovea_norm_qkv_args), run_qkv<W>, rejects<fovea_norm_qkv_args>, scratch_qkv<W> \
  }
#define ALL(type, W)                                                                        \
  PLAIN("linear", fovea_linear_args, Then::NOTHING, type, W),                               \
      PLAIN("linear_quick_gelu", fovea_linear_quick_gelu_args, Then::QUICK_GELU, type, W),  \
      PLAIN("linear_gelu", fovea_linear_gelu_args, Then::GELU, type, W), RESIDUAL(type, W), \
      GATED(type, W), NORMED(type, W)

const Kernel kernels[] = {
    ALL("f32", Plain<F32>),
    ALL("f16", Plain<F16>),
    ALL("bf16", Bfloat),
    ALL("q8_0", Quantized<fovea_q8_0>),
    ALL("q4_0", Quantized<fovea_q4_0>),
    ALL("q4_g128", Quantized<fovea_q4_g128>),
};

}  // namespace
FOVEA_KERNELS(linear)
}  // namespace fovea
