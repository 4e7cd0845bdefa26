// Linear maps, what may come before them and what may follow: linear, linear_add, linear_quick_gelu, linear_gelu, swiglu, norm_swiglu,
// norm_qkv. Which kernel takes which weights and how many rows is in the kernels' own files; the ops differ in what LinearParams says.

#include <math.h>

#include "cuda/persistent.h"
#include "launch.h"

namespace fovea {
namespace {

// ---- arguments ----

// What the ops have in common. r: residual; up: second weights of swiglu; g: of a norm before the map; w: wq of norm_qkv.
struct Call {
  const fovea_tensor *x, *w, *b, *r, *up, *y;
  const fovea_tensor *g = nullptr;
  double eps = 0;
  const fovea_norm_qkv_args *qkv = nullptr;
};

// What a launcher is for, beside what follows the map: swiglu with a norm before it.
constexpr auto NORM_SWIGLU = static_cast<LinearThen>(LINEAR_QKV + 1);

template <LinearThen THEN>
Call call(const void *args) {
  if constexpr (THEN == LINEAR_ADD) {
    auto *a = static_cast<const fovea_linear_add_args *>(args);
    return {&a->x, &a->w, &a->b, &a->r, nullptr, &a->y};
  } else if constexpr (THEN == LINEAR_SWIGLU) {
    auto *a = static_cast<const fovea_swiglu_args *>(args);
    return {&a->x, &a->gate, nullptr, nullptr, &a->up, &a->y};
  } else if constexpr (THEN == NORM_SWIGLU) {
    auto *a = static_cast<const fovea_norm_swiglu_args *>(args);
    return {&a->x, &a->gate, nullptr, nullptr, &a->up, &a->y, &a->g, a->eps};
  } else if constexpr (THEN == LINEAR_QKV) {
    auto *a = static_cast<const fovea_norm_qkv_args *>(args);
    return {&a->x, &a->wq, nullptr, nullptr, nullptr, &a->y, &a->g, a->eps, a};
  } else {  // the other three structs have the same fields
    auto *a = static_cast<const fovea_linear_args *>(args);
    return {&a->x, &a->w, &a->b, nullptr, nullptr, &a->y};
  }
}

constexpr bool paired(LinearThen then) { return then >= LINEAR_SWIGLU; }

LinearQkv qkv(const fovea_norm_qkv_args &a) {
  constexpr double PI = 3.14159265358979323846;
  LinearQkv q{};
  const fovea_tensor *const maps[] = {&a.wq, &a.wk, &a.wv};
  for (int i = 0; i < 3; i++) {
    q.w[i] = maps[i]->data;
    q.scales[i] = blocks(a.wq) ? scales(*maps[i]) : nullptr;
  }
  q.cache[0] = a.k.data;
  q.cache[1] = a.v.data;
  q.pos = i32(a.pos);
  q.seq = i32(a.seq);
  q.pages = i32(a.pages);
  q.heads = a.y.dim[1];
  q.key_heads = a.k.dim[1];
  q.neighbours = a.neighbours != 0;
  q.half_cache = a.k.dtype == FOVEA_F16;
  q.page_count = a.k.dim[0];
  q.places = a.k.dim[2];
  q.sequences = a.pages.dim[0];
  q.table = a.pages.dim[1];
  double pairs = a.k.dim[3] / 2;
  for (int i = 0; i < 16; i++) {
    q.coarse[i] = a.scale * pow(a.theta, -16. * i / pairs) / PI;
    q.fine[i] = pow(a.theta, -i / pairs);
  }
  return q;
}

template <LinearThen THEN>
LinearParams params(const Launch &l, const Call &c) {
  LinearParams p{};
  p.x = f32(*c.x);
  p.w = c.w->data;
  p.up = c.up ? c.up->data : nullptr;
  if (blocks(*c.w)) {
    p.scales = scales(*c.w);
    p.up_scales = c.up ? scales(*c.up) : nullptr;
  }
  p.b = c.b ? f32(*c.b) : nullptr;
  p.r = c.r ? f32(*c.r) : nullptr;
  p.g = c.g ? f32(*c.g) : nullptr;
  p.eps = static_cast<float>(c.eps);
  p.y = out32(*c.y);
  p.width = c.x->dim[1];
  p.outs = c.w->dim[0];
  p.then = THEN == NORM_SWIGLU ? LINEAR_SWIGLU : THEN;
  p.w_aligned = p.width % 8 == 0 && aligned16(p.w, p.up);
  p.x_aligned = p.width % 4 == 0 && aligned16(p.x);
  p.scales_aligned = p.width % 128 == 0 && aligned16(p.scales, p.up_scales);
  if constexpr (THEN == LINEAR_QKV) {
    p.qkv = qkv(*c.qkv);
    p.outs = c.qkv->k.dim[3] / 2;
    p.w_aligned = p.width % 8 == 0 && aligned16(p.qkv.w[0], p.qkv.w[1], p.qkv.w[2]);
    p.scales_aligned =
        p.width % 128 == 0 && aligned16(p.qkv.scales[0], p.qkv.scales[1], p.qkv.scales[2]);
  }
  p.rows = l.rows(*c.x);
  return p;
}

// Heads of norm_qkv.
int64_t heads(const Call &c) { return int64_t{c.qkv->y.dim[1]} + 2 * int64_t{c.qkv->k.dim[1]}; }

// Tiles of `rows` rows of weights.
template <LinearThen THEN>
int64_t tiles(const Call &c, int64_t rows) {
  if constexpr (THEN == LINEAR_QKV) return heads(c) * pieces(c.qkv->k.dim[3] / 2, rows / 2);
  return pieces(c.w->dim[0], paired(THEN) ? rows / 2 : rows);
}

// Bytes of 32 elements of a row, without the scale.
int row_bytes(int32_t dtype) {
  return dtype == FOVEA_Q4_0 || dtype == FOVEA_Q4_G128 ? 16 : dtype == FOVEA_Q8_0 ? 32 : 64;
}

// Where tables of kernels by type have those for the weights: f32 first, in the order of the codes, of which two are no weights'.
int by_type(int32_t dtype) { return dtype == FOVEA_Q4_G128 ? FOVEA_I32 : dtype; }

int64_t up_to(int64_t n, int64_t unit) { return pieces(n, unit) * unit; }

// Quantized weights come at addresses that the loader chooses.
bool placed(Launch &l, const Call &c) {
  const void *second = c.up ? c.up->data : c.qkv ? c.qkv->wk.data : nullptr;
  if (!blocks(*c.w) || aligned16(c.w->data, second, c.qkv ? c.qkv->wv.data : nullptr)) return true;
  l.fail(FOVEA_E_ARGUMENT, "quantized weights must begin at a multiple of 16 bytes");
  return false;
}

// ---- any sizes ----

// clang-format off
Module plain_file{"linear_plain"};
Function<LinearParams> plain[] = {  // by dtype
    {plain_file, "linear_f32__plain"}, {plain_file, "linear_f16__plain"}, {plain_file, "linear_bf16__plain"},
    {plain_file, "linear_q8_0__plain"}, {plain_file, "linear_q4_0__plain"}, {plain_file, "linear_q4_g128__plain"}};
// clang-format on

template <LinearThen THEN>
void run_plain(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  int64_t t = c.x->dim[0];
  int64_t units = THEN == LINEAR_QKV ? heads(c) * c.qkv->k.dim[3] / 2 : c.w->dim[0];
  l.launch(plain[by_type(c.w->dtype)], {pieces(units, 8), t < 65535 ? t : 65535}, 256, 0,
           params<THEN>(l, c));
}

template <LinearThen THEN>
const char *rejects_plain(const DeviceInfo &, const void *args) {
  if constexpr (THEN == NORM_SWIGLU) {
    return check(*static_cast<const fovea_norm_swiglu_args *>(args));
  } else if constexpr (THEN == LINEAR_QKV) {
    auto *a = static_cast<const fovea_norm_qkv_args *>(args);
    if (const char *why = check(*a)) return why;
    return a->k.dim[3] > 2 * LINEAR_QKV_PAIRS ? "heads wider than 512" : nullptr;
  } else {
    Call c = call<THEN>(args);
    return check_linear(*c.x, *c.w, c.b, c.r, c.up, *c.y);
  }
}

// ---- a few rows, quantized ----

constexpr int MOST_SHARED = 227 * 1024;

// clang-format off
Module dp4a_file{"linear_dp4a"};
Function<LinearParams> dp4a[][3] = {  // q8_0, q4_0, q4_g128; up to 1, 2, 4 rows
    {{dp4a_file, "linear_q8_0__dp4a1", MOST_SHARED, {PHASE_LINEAR_Q8_0, 1}}, {dp4a_file, "linear_q8_0__dp4a2", MOST_SHARED, {PHASE_LINEAR_Q8_0, 2}}, {dp4a_file, "linear_q8_0__dp4a4", MOST_SHARED}},
    {{dp4a_file, "linear_q4_0__dp4a1", MOST_SHARED, {PHASE_LINEAR_Q4_0, 1}}, {dp4a_file, "linear_q4_0__dp4a2", MOST_SHARED, {PHASE_LINEAR_Q4_0, 2}}, {dp4a_file, "linear_q4_0__dp4a4", MOST_SHARED}},
    {{dp4a_file, "linear_q4_g128__dp4a1", MOST_SHARED}, {dp4a_file, "linear_q4_g128__dp4a2", MOST_SHARED}, {dp4a_file, "linear_q4_g128__dp4a4", MOST_SHARED}}};
// clang-format on

int dp4a_rows(int32_t t) { return t <= 2 ? t : LINEAR_DP4A_ROWS; }

template <LinearThen THEN>
void run_dp4a(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  if (!placed(l, c)) return;
  int rows = dp4a_rows(c.x->dim[0]);
  // Pairs of rows of weights, one for a warp. Small matrices get smaller blocks, so that more multiprocessors have one.
  int64_t pairs = THEN == LINEAR_QKV ? heads(c) * c.qkv->k.dim[3] / 2
                  : paired(THEN)     ? c.w->dim[0]
                                     : pieces(c.w->dim[0], 2);
  int warps = 16;
  while (warps > 4 && pieces(pairs, warps) < l.device.multiprocessors) warps /= 2;
  int64_t most = int64_t{l.device.multiprocessors} * 16 / warps, wanted = pieces(pairs, warps);
  l.launch(dp4a[by_type(c.w->dtype) - FOVEA_Q8_0][rows / 2], wanted < most ? wanted : most,
           warps * 32, static_cast<int>(linear_dp4a_shared(rows, c.x->dim[1], c.g)),
           params<THEN>(l, c), {.overlap = true});
}

template <LinearThen THEN>
const char *rejects_dp4a(const DeviceInfo &device, const void *args) {
  if (const char *why = rejects_plain<THEN>(device, args)) return why;
  Call c = call<THEN>(args);
  if (c.x->dim[0] > LINEAR_DP4A_ROWS) return "for at most 4 rows";
  int64_t most = device.shared_bytes < MOST_SHARED ? device.shared_bytes : MOST_SHARED;
  if (linear_dp4a_shared(dp4a_rows(c.x->dim[0]), c.x->dim[1], c.g) > most)
    return "rows too wide for this device's shared memory";
  return nullptr;
}

// ---- x for the matrix units ----

// clang-format off
Module x_file{"linear_x"};
Function<LinearXParams> x_rows[] = {  // binary16, bf16, for quantized weights
    {x_file, "linear_x__f16_rows"}, {x_file, "linear_x__bf16_rows"}, {x_file, "linear_x__picked_rows"}};
Function<LinearXParams> x_fragments[] = {
    {x_file, "linear_x__f16_fragments"}, {x_file, "linear_x__bf16_fragments"}, {x_file, "linear_x__picked_fragments"}};
// clang-format on

// x in scratch memory: tokens by width elements, then a factor for each token.
struct Operand {
  int64_t tokens, width;
  int64_t bytes() const { return up_to(tokens * width * 2, 256) + tokens * 4; }
};

// Makes it and says so in p. functions: x_rows or x_fragments.
void operand(Launch &l, const Call &c, const Function<LinearXParams> *functions,
             const Operand &size, LinearParams &p) {
  auto *out = reinterpret_cast<uint16_t *>(l.scratch);
  auto *factors = reinterpret_cast<float *>(l.scratch + up_to(size.tokens * size.width * 2, 256));
  LinearXParams x{p.x, out, factors, p.width, static_cast<int32_t>(size.width), p.rows, p.g, p.eps};
  bool half = c.w->dtype == FOVEA_F16;
  int64_t y = half || p.g ? 1 : pieces(size.width / 2, 1024);
  l.launch(functions[half           ? 0
                     : blocks(*c.w) ? 2
                                    : 1],
           {size.tokens, y < 65535 ? y : 65535}, 256, 0, x, {.overlap = true});
  p.operand = out;
  p.row_scales = factors;
  p.operand_width = x.padded;
}

// ---- up to 64 rows ----

// What a block makes: tokens, and the rows of weights it reads for that.
struct Thin {
  int index, tokens, rows;
};
Thin thin(int64_t t) {
  return t <= 8 ? Thin{0, 8, 32} : t <= 16 ? Thin{1, 16, 32} : Thin{2, 32, 64};
}

constexpr int SHARED32 = linear_mma16_shared(32), SHARED64 = linear_mma16_shared(64);

// clang-format off
Module mma16_file{"linear_mma16"};
Function<LinearParams> mma16[][3] = {  // f16, bf16, q8_0, q4_0, q4_g128
    {{mma16_file, "linear_f16__mma8", SHARED32}, {mma16_file, "linear_f16__mma16", SHARED32}, {mma16_file, "linear_f16__mma32", SHARED64}},
    {{mma16_file, "linear_bf16__mma8", SHARED32}, {mma16_file, "linear_bf16__mma16", SHARED32}, {mma16_file, "linear_bf16__mma32", SHARED64}},
    {{mma16_file, "linear_q8_0__mma8", SHARED32}, {mma16_file, "linear_q8_0__mma16", SHARED32}, {mma16_file, "linear_q8_0__mma32", SHARED64}},
    {{mma16_file, "linear_q4_0__mma8", SHARED32}, {mma16_file, "linear_q4_0__mma16", SHARED32}, {mma16_file, "linear_q4_0__mma32", SHARED64}},
    {{mma16_file, "linear_q4_g128__mma8", SHARED32}, {mma16_file, "linear_q4_g128__mma16", SHARED32}, {mma16_file, "linear_q4_g128__mma32", SHARED64}}};
// clang-format on

Operand operand16(const Call &c) {
  int64_t t = c.x->dim[0];
  return {up_to(t, thin(t).tokens),
          up_to(c.x->dim[1], 32 * linear_mma16_deep(row_bytes(c.w->dtype)))};
}

template <LinearThen THEN>
void run_mma16(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  if (!placed(l, c)) return;
  LinearParams p = params<THEN>(l, c);
  operand(l, c, x_fragments, operand16(c), p);
  Thin tile = thin(c.x->dim[0]);
  l.launch(mma16[by_type(c.w->dtype) - FOVEA_F16][tile.index],
           {tiles<THEN>(c, tile.rows), pieces(c.x->dim[0], tile.tokens)}, LINEAR_MMA16_WARPS * 32,
           linear_mma16_shared(tile.rows), p, {.overlap = true});
}

template <LinearThen THEN>
const char *rejects_mma16(const DeviceInfo &device, const void *args) {
  if (const char *why = rejects_plain<THEN>(device, args)) return why;
  Call c = call<THEN>(args);
  if (c.x->dim[0] > LINEAR_MMA16_TOKENS) return "for at most 64 rows";
  if (linear_mma16_shared(thin(c.x->dim[0]).rows) > device.shared_bytes)
    return "more shared memory than this device has";
  return nullptr;
}

template <LinearThen THEN>
int64_t scratch_mma16(const DeviceInfo &, const void *args) {
  return operand16(call<THEN>(args)).bytes();
}

// ---- many rows ----

constexpr int big_tokens(bool blocks) {
  return blocks ? LINEAR_MMA_BIG_TOKENS_BLOCKS : LINEAR_MMA_BIG_TOKENS;
}

constexpr int mma_shared(bool big, int row_bytes) {
  bool blocks = row_bytes < 64;
  return LINEAR_MMA_STAGES *
         (big ? linear_mma_stage(LINEAR_MMA_BIG_OUTS, big_tokens(blocks), row_bytes, blocks)
              : linear_mma_stage(LINEAR_MMA_SMALL, LINEAR_MMA_SMALL, row_bytes, blocks));
}

// clang-format off
Module mma_file{"linear_mma"};
Function<LinearParams> mma[][2] = {  // f16, bf16, q8_0, q4_0, q4_g128; small tiles, big tiles
    {{mma_file, "linear_f16__mma64"}, {mma_file, "linear_f16__mma128", mma_shared(true, 64)}},
    {{mma_file, "linear_bf16__mma64"}, {mma_file, "linear_bf16__mma128", mma_shared(true, 64)}},
    {{mma_file, "linear_q8_0__mma64"}, {mma_file, "linear_q8_0__mma128"}},
    {{mma_file, "linear_q4_0__mma64"}, {mma_file, "linear_q4_0__mma128"}},
    {{mma_file, "linear_q4_g128__mma64"}, {mma_file, "linear_q4_g128__mma128"}}};
// clang-format on
static_assert(mma_shared(false, 64) <= 48 * 1024 && mma_shared(true, 32) <= 48 * 1024);

Operand operand_mma(const Call &c) { return {c.x->dim[0], up_to(c.x->dim[1], 32)}; }

template <LinearThen THEN>
void run_mma(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  if (!placed(l, c)) return;
  LinearParams p = params<THEN>(l, c);
  operand(l, c, x_rows, operand_mma(c), p);
  // Big tiles where there are enough of them to keep the device busy; the bits are the same.
  int64_t t = c.x->dim[0];
  int64_t tokens = big_tokens(blocks(*c.w));
  Grid grid(pieces(t, tokens), tiles<THEN>(c, LINEAR_MMA_BIG_OUTS));
  bool big = grid.x * grid.y >= l.device.multiprocessors;
  if (!big) grid = {pieces(t, LINEAR_MMA_SMALL), tiles<THEN>(c, LINEAR_MMA_SMALL)};
  l.launch(mma[by_type(c.w->dtype) - FOVEA_F16][big], grid, 128,
           mma_shared(big, row_bytes(c.w->dtype)), p);
}

template <LinearThen THEN>
int64_t scratch_mma(const DeviceInfo &, const void *args) {
  return operand_mma(call<THEN>(args)).bytes();
}

// ---- many rows, on 9.0 ----

// clang-format off
Module wgmma_file{"linear_wgmma"};
Function<LinearWgmmaParams> wgmma[][2] = {  // f16, bf16; 128, 256 rows of weights
    {{wgmma_file, "linear_f16__wgmma128", LINEAR_WGMMA_SHARED}, {wgmma_file, "linear_f16__wgmma256", LINEAR_WGMMA_SHARED}},
    {{wgmma_file, "linear_bf16__wgmma128", LINEAR_WGMMA_SHARED}, {wgmma_file, "linear_bf16__wgmma256", LINEAR_WGMMA_SHARED}}};
// clang-format on

Operand operand_wgmma(const Call &c) { return {c.x->dim[0], up_to(c.x->dim[1], 64)}; }

template <LinearThen THEN>
void run_wgmma(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  Operand size = operand_wgmma(c);
  LinearWgmmaParams p{};
  p.linear = params<THEN>(l, c);
  operand(l, c, x_rows, size, p.linear);
  int64_t t = pieces(c.x->dim[0], LINEAR_WGMMA_TOKENS), o = c.w->dim[0], i = c.x->dim[1];
  auto all = [&](int rows) { return t * tiles<THEN>(c, rows); };
  auto waves = [&](int rows) { return pieces(all(rows), l.device.multiprocessors); };
  // A big tile takes about 1.8 times as long as a small one. The bits are the same.
  bool big = 9 * waves(256) <= 5 * waves(128);
  int rows = big ? 256 : 128;
  l.matrix(p.x, p.linear.operand, c.w->dtype, size.width, size.tokens, size.width,
           LINEAR_WGMMA_TOKENS);
  if (p.linear.w_aligned) {
    int box = paired(THEN) ? rows / 2 : rows;
    l.matrix(p.w, p.linear.w, c.w->dtype, i, o, i, box);
    if (c.up) l.matrix(p.up, p.linear.up, c.w->dtype, i, o, i, box);
  }
  int64_t most = l.device.multiprocessors;
  l.launch(wgmma[c.w->dtype - FOVEA_F16][big], all(rows) < most ? all(rows) : most,
           LINEAR_WGMMA_THREADS, LINEAR_WGMMA_SHARED, p, {.overlap = true});
}

template <LinearThen THEN>
const char *rejects_wgmma(const DeviceInfo &device, const void *args) {
  if (const char *why = rejects_plain<THEN>(device, args)) return why;
  return device.capability == 90 ? nullptr : "for devices of compute capability 9.0 alone";
}

template <LinearThen THEN>
int64_t scratch_wgmma(const DeviceInfo &, const void *args) {
  return operand_wgmma(call<THEN>(args)).bytes();
}

// ---- by cuBLAS ----

// What follows a product that another library left in scratch memory.
Module then_file{"linear_then"};
Function<LinearThenParams> finish{then_file, "linear__then"};

// x in scratch memory as the weights' type wants it (f32: as it is), its rows at multiples of 16 bytes.
Operand operand_cublas(const Call &c) {
  return c.w->dtype == FOVEA_F32 ? Operand{0, 0} : Operand{c.x->dim[0], up_to(c.x->dim[1], 8)};
}

int64_t sums_bytes(const Call &c) {
  return up_to(int64_t{c.x->dim[0]} * c.w->dim[0] * int64_t{sizeof(float)}, 256);
}

template <LinearThen THEN>
void run_cublas(Launch &l, const void *args) {
  Call c = call<THEN>(args);
  LinearParams p = params<THEN>(l, c);
  Operand size = operand_cublas(c);
  auto *sums = reinterpret_cast<float *>(l.scratch + up_to(size.bytes(), 256));
  float *up_sums = c.up ? sums + sums_bytes(c) / int64_t{sizeof(float)} : nullptr;
  if (size.width) operand(l, c, x_rows, size, p);
  const void *x = size.width ? static_cast<const void *>(p.operand) : p.x;
  int64_t step = size.width ? size.width : p.width;
  // All rows, for the host does not know how many count; the last kernel does.
  l.gemm(*c.w, c.x->dim[0], x, step, sums);
  if (c.up) l.gemm(*c.up, c.x->dim[0], x, step, up_sums);
  if (c.w->dtype != FOVEA_F16) p.row_scales = nullptr;
  l.launch(finish, rows_by_pieces(c.x->dim[0], c.w->dim[0], 256), 256, 0,
           LinearThenParams{p, sums, up_sums});
}

template <LinearThen THEN>
const char *rejects_cublas(const DeviceInfo &device, const void *args) {
  if (const char *why = rejects_plain<THEN>(device, args)) return why;
  return device.gemm ? nullptr : "there is no cuBLAS";
}

template <LinearThen THEN>
int64_t scratch_cublas(const DeviceInfo &, const void *args) {
  Call c = call<THEN>(args);
  return up_to(operand_cublas(c).bytes(), 256) + sums_bytes(c) * (c.up ? 2 : 1);
}

// ---- lines of the kernel table ----

// One op, one signature: a variant, then every variant that takes the weights.
// clang-format off
#define LINE(op, struct, then, signature, variant, capability, run, rejects, scratch) \
  {op, signature, variant, capability, sizeof(struct), run<then>, rejects<then>, scratch}
#define PLAIN(op, struct, then, signature) \
  LINE(op, struct, then, signature, "plain", 80, run_plain, rejects_plain, no_scratch)
#define CUBLAS(op, struct, then, signature) \
  LINE(op, struct, then, signature, "cublas", 80, run_cublas, rejects_cublas, scratch_cublas<then>)
#define MMA(op, struct, then, signature) \
  LINE(op, struct, then, signature, "mma", 80, run_mma, rejects_plain, scratch_mma<then>)
#define WGMMA(op, struct, then, signature) \
  LINE(op, struct, then, signature, "wgmma", 90, run_wgmma, rejects_wgmma, scratch_wgmma<then>)
#define MMA16(op, struct, then, signature) \
  LINE(op, struct, then, signature, "mma16", 80, run_mma16, rejects_mma16, scratch_mma16<then>)
#define DP4A(op, struct, then, signature) \
  LINE(op, struct, then, signature, "dp4a", 80, run_dp4a, rejects_dp4a, no_scratch)
#define FLOATS(...) PLAIN(__VA_ARGS__), CUBLAS(__VA_ARGS__)
#define HALVES(...) PLAIN(__VA_ARGS__), CUBLAS(__VA_ARGS__), MMA(__VA_ARGS__), WGMMA(__VA_ARGS__), MMA16(__VA_ARGS__)
#define OWN_HALVES(...) PLAIN(__VA_ARGS__), MMA(__VA_ARGS__), MMA16(__VA_ARGS__)
#define BLOCKS(...) PLAIN(__VA_ARGS__), MMA(__VA_ARGS__), MMA16(__VA_ARGS__), DP4A(__VA_ARGS__)
// clang-format on
// The ops, with a bias and without.
#define MAPS(kind, type)                                                                  \
  kind("linear", fovea_linear_args, LINEAR_NOTHING, "f32," type ",_->f32"),               \
      kind("linear", fovea_linear_args, LINEAR_NOTHING, "f32," type ",f32->f32"),         \
      kind("linear_quick_gelu", fovea_linear_quick_gelu_args, LINEAR_QUICK_GELU,          \
           "f32," type ",_->f32"),                                                        \
      kind("linear_quick_gelu", fovea_linear_quick_gelu_args, LINEAR_QUICK_GELU,          \
           "f32," type ",f32->f32"),                                                      \
      kind("linear_gelu", fovea_linear_gelu_args, LINEAR_GELU, "f32," type ",_->f32"),    \
      kind("linear_gelu", fovea_linear_gelu_args, LINEAR_GELU, "f32," type ",f32->f32"),  \
      kind("linear_add", fovea_linear_add_args, LINEAR_ADD, "f32," type ",_,f32->f32"),   \
      kind("linear_add", fovea_linear_add_args, LINEAR_ADD, "f32," type ",f32,f32->f32"), \
      kind("swiglu", fovea_swiglu_args, LINEAR_SWIGLU, "f32," type "," type "->f32")
// With a norm before the map. cuBLAS gets the rows that linear_x has normed, which it does not for f32.
#define NORM_GATE(kind, type) \
  kind("norm_swiglu", fovea_norm_swiglu_args, NORM_SWIGLU, "f32,f32," type "," type "->f32")
// linear_then knows no heads, and wgmma no pairs of rows of three matrices: prompts of f16 weights take mma here.
#define NORM_HEADS(kind, type)                                         \
  kind("norm_qkv", fovea_norm_qkv_args, LINEAR_QKV,                    \
       "f32,f32," type "," type "," type ",f32,f32,i32,i32,i32->f32"), \
      kind("norm_qkv", fovea_norm_qkv_args, LINEAR_QKV,                \
           "f32,f32," type "," type "," type ",f16,f16,i32,i32,i32->f32")
#define ALL(kind, gate, heads, type) \
  MAPS(kind, type), NORM_GATE(gate, type), NORM_HEADS(heads, type)

const Kernel kernels[] = {
    ALL(FLOATS, PLAIN, PLAIN, "f32"),        ALL(HALVES, HALVES, OWN_HALVES, "f16"),
    ALL(HALVES, HALVES, OWN_HALVES, "bf16"), ALL(BLOCKS, BLOCKS, BLOCKS, "q8_0"),
    ALL(BLOCKS, BLOCKS, BLOCKS, "q4_0"),     ALL(BLOCKS, BLOCKS, BLOCKS, "q4_g128")};

}  // namespace
FOVEA_KERNELS(linear)
}  // namespace fovea
