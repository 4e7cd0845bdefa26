// Linear maps and what may follow them: linear, linear_add, linear_quick_gelu, linear_gelu, swiglu.
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

// What the five ops have in common. r: residual; up: second weights of swiglu.
struct Call {
  const fovea_tensor *x, *w, *b, *r, *up, *y;
};

enum class Then { NOTHING, ADD, QUICK_GELU, GELU, SWIGLU };

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
  } else if constexpr (THEN == Then::SWIGLU) {
    for (int64_t i = 0; i < rows; i++) y[i] = silu(first[i]) * second[i];
  } else {
    for (int64_t i = 0; i < rows; i++) y[i] = first[i];
  }
}

template <class W, Then THEN>
int32_t walk(Run &run, const Call &c) {
  constexpr int MAPS = THEN == Then::SWIGLU ? 2 : 1;
  int64_t width = c.x->dim[1];
  int64_t outs = c.w->dim[0];
  int64_t n = live_rows(*c.x);
  if (n < 0) return FOVEA_E_RANGE;
  auto *x = static_cast<const uint8_t *>(c.x->data);
  int64_t x_row = width * 4;
  if (int64_t bytes = W::x_bytes(width)) {
    ranges(run, n, 4, [&](int64_t from, int64_t to, int) {
      for (int64_t t = from; t < to; t++)
        W::prepare(f32(*c.x) + t * width, width, run.scratch + t * bytes);
    });
    x = run.scratch;
    x_row = bytes;
  }
  const void *weights[MAPS] = {c.w->data};
  if constexpr (THEN == Then::SWIGLU) weights[1] = c.up->data;
  int64_t stride = W::row_bytes(width);
  bool panels = false;
  int64_t panel_bytes = 0;
  uint8_t *panel_memory = run.scratch + c.x->dim[0] * W::x_bytes(width);
  if constexpr (W::PANELS) {
    panels = n > W::STREAM;
    panel_bytes = align64(W::panel_bytes(width));
  }
  ranges(run, outs, TILE, [&](int64_t from, int64_t to, int thread) {
    alignas(64) float sums[MAPS][W::AT_ONCE * TILE];
    uint8_t *panel = panel_memory + thread * MAPS * panel_bytes;
    const uint8_t *w[MAPS];
    for (int m = 0; m < MAPS; m++) {
      w[m] = static_cast<const uint8_t *>(weights[m]) + from * stride;
      if constexpr (W::PANELS) {
        if (panels) W::unpack(w[m], to - from, width, panel + m * panel_bytes);
      }
    }
    for (int64_t t = 0; t < n; t += W::AT_ONCE) {
      int64_t count = n - t < W::AT_ONCE ? n - t : W::AT_ONCE;
      for (int m = 0; m < MAPS; m++) {
        if constexpr (W::PANELS) {
          if (panels) {
            W::multiply_panel(panel + m * panel_bytes, x + t * x_row, x_row, width, count, sums[m]);
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
  if constexpr (THEN == Then::ADD) {
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
  int64_t panels = 0;
  if constexpr (W::PANELS) {
    if (c.x->dim[0] > W::STREAM)
      panels = threads * (THEN == Then::SWIGLU ? 2 : 1) * align64(W::panel_bytes(c.x->dim[1]));
  }
  return W::x_bytes(c.x->dim[1]) * c.x->dim[0] + panels;
}

template <Then THEN>
const char *rejects(const void *args) {
  Call c = call<THEN>(args);
  return check_linear(*c.x, *c.w, c.b, c.r, c.up, *c.y);
}

#if defined(__AVX512BF16__)
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
   rejects<then>,                                                                             \
   scratch<W, then>},                                                                         \
  {                                                                                           \
    op, "f32," type ",f32->f32", FOVEA_VARIANT, sizeof(struct), run_<W, then>, rejects<then>, \
        scratch<W, then>                                                                      \
  }
#define RESIDUAL(type, W)                                                                    \
  {"linear_add",         "f32," type ",_,f32->f32",                                          \
   FOVEA_VARIANT,        sizeof(fovea_linear_add_args),                                      \
   run_<W, Then::ADD>,   rejects<Then::ADD>,                                                 \
   scratch<W, Then::ADD>},                                                                   \
  {                                                                                          \
    "linear_add", "f32," type ",f32,f32->f32", FOVEA_VARIANT, sizeof(fovea_linear_add_args), \
        run_<W, Then::ADD>, rejects<Then::ADD>, scratch<W, Then::ADD>                        \
  }
#define GATED(type, W)                                                                \
  {                                                                                   \
    "swiglu", "f32," type "," type "->f32", FOVEA_VARIANT, sizeof(fovea_swiglu_args), \
        run_<W, Then::SWIGLU>, rejects<Then::SWIGLU>, scratch<W, Then::SWIGLU>        \
  }
#define ALL(type, W)                                                                        \
  PLAIN("linear", fovea_linear_args, Then::NOTHING, type, W),                               \
      PLAIN("linear_quick_gelu", fovea_linear_quick_gelu_args, Then::QUICK_GELU, type, W),  \
      PLAIN("linear_gelu", fovea_linear_gelu_args, Then::GELU, type, W), RESIDUAL(type, W), \
      GATED(type, W)

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
