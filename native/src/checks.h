// What an op's arguments must hold for any kernel to take them: types and sizes, never data. Shared by the backends; a line
// says what is wrong. Internal linkage for the reason given in tensors.h.
#pragma once

#include "common/blocks.h"
#include "tensors.h"

namespace fovea {
namespace {

[[maybe_unused]] inline bool blocks(const fovea_tensor &t) {
  return t.dtype == FOVEA_Q8_0 || t.dtype == FOVEA_Q4_0 || t.dtype == FOVEA_Q4_G128;
}

// Elements of a row that a block holds.
[[maybe_unused]] inline int32_t block_elements(int32_t dtype) {
  return dtype == FOVEA_Q4_G128 ? FOVEA_GROUP : FOVEA_BLOCK;
}

[[maybe_unused]] inline bool floats(const fovea_tensor &t) {
  return sane(t) && t.dtype == FOVEA_F32;
}

// [*,*] of a type that weights come in, in whole blocks.
[[maybe_unused]] inline bool weights(const fovea_tensor &t) {
  if (blocks(t)) return sane(t) && t.rank == 2 && t.dim[1] % block_elements(t.dtype) == 0;
  return sane(t) && t.rank == 2 && t.dtype >= FOVEA_F32 && t.dtype <= FOVEA_BF16;
}

[[maybe_unused]] inline bool cache(const fovea_tensor &t) {
  return sane(t) && t.rank == 4 &&
         (t.dtype == FOVEA_F32 || t.dtype == FOVEA_F16 ||
          (t.dtype == FOVEA_Q8_0 && t.dim[3] % FOVEA_BLOCK == 0));
}

[[maybe_unused]] inline const char *check(const fovea_resize_args &a) {
  if (!is(a.pixels, FOVEA_F32, 3) || !is(a.y, FOVEA_F32, 3) || !same_sizes(a.pixels, a.y) ||
      a.pixels.dim[0] != 3)
    return "pixels must be f32 [C=3,Y,X]";
  if (a.y.data != a.pixels.data) return "the output must be pixels itself";
  if (!is(a.picture, FOVEA_U8, 1)) return "picture must be u8 [I]";
  if (!is(a.geometry, FOVEA_I32, 1) || a.geometry.dim[0] != 6) return "geometry must be i32 [6]";
  if (!is(a.across, FOVEA_I32, 2) || a.across.dim[0] != a.pixels.dim[2] || a.across.dim[1] != 4)
    return "across must be i32 [X,4]";
  if (!is(a.down, FOVEA_I32, 2) || a.down.dim[0] != a.pixels.dim[1] || a.down.dim[1] != 4)
    return "down must be i32 [Y,4]";
  if (!is(a.weights, FOVEA_I32, 1)) return "weights must be i32 [I]";
  if (!is(a.levels, FOVEA_F32, 2) || a.levels.dim[0] != 3 || a.levels.dim[1] != 256)
    return "levels must be f32 [C=3,256]";
  if (elements(a.pixels) > INT32_MAX) return "pixels must be countable in 31 bits";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_patchify_args &a) {
  if (!is(a.pixels, FOVEA_F32, 3)) return "pixels must be f32 [C,Y,X]";
  int64_t p = a.patch;
  if (p < 1 || p > 4096 || a.pixels.dim[1] % p != 0 || a.pixels.dim[2] % p != 0)
    return "Y and X must be multiples of the patch";
  if (!is(a.y, FOVEA_F32, 2) || a.y.dim[0] != a.pixels.dim[1] / p * (a.pixels.dim[2] / p) ||
      a.y.dim[1] != a.pixels.dim[0] * p * p)
    return "y must be f32 [P,C*patch*patch]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_concat_rows_args &a) {
  if (!is(a.a, FOVEA_F32, 2) || !is(a.b, FOVEA_F32, 2) || !is(a.y, FOVEA_F32, 2))
    return "a, b and y must be f32 [*,E]";
  if (a.a.dim[1] != a.b.dim[1] || a.a.dim[1] != a.y.dim[1] ||
      a.y.dim[0] != int64_t{a.a.dim[0]} + a.b.dim[0])
    return "y must have a's rows and b's";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_embed_args &a) {
  if (!is(a.ids, FOVEA_I32, 1)) return "ids must be i32 [T]";
  if (!weights(a.table) || a.table.dtype == FOVEA_Q4_G128)
    return "table must be [V,D], its rows whole blocks of 32 at most";
  if (a.image.data && (!is(a.image, FOVEA_F32, 2) || a.image.dim[1] != a.table.dim[1]))
    return "image must be f32 [M,D]";
  if (!is(a.y, FOVEA_F32, 2) || a.y.dim[0] != a.ids.dim[0] || a.y.dim[1] != a.table.dim[1])
    return "y must be f32 [T,D]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_layer_norm_args &a) {
  if (!is(a.x, FOVEA_F32, 2) || !is(a.y, FOVEA_F32, 2) || !same_sizes(a.x, a.y))
    return "x and y must be f32 [N,E]";
  if (!is(a.g, FOVEA_F32, 1) || a.g.dim[0] != a.x.dim[1]) return "g must be f32 [E]";
  if (!is(a.b, FOVEA_F32, 1) || a.b.dim[0] != a.x.dim[1]) return "b must be f32 [E]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_rms_norm_args &a) {
  if (!is(a.x, FOVEA_F32, 2) || !is(a.y, FOVEA_F32, 2) || !same_sizes(a.x, a.y))
    return "x and y must be f32 [T,D]";
  if (!is(a.g, FOVEA_F32, 1) || a.g.dim[0] != a.x.dim[1]) return "g must be f32 [D]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_rope_args &a) {
  if (!is(a.x, FOVEA_F32, 3) || !is(a.y, FOVEA_F32, 3) || !same_sizes(a.x, a.y))
    return "x and y must be f32 [T,H,Dh]";
  if (a.x.dim[2] % 2 != 0) return "Dh must be even";
  if (!is(a.pos, FOVEA_I32, 1) || a.pos.dim[0] != a.x.dim[0]) return "pos must be i32 [T]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_kv_append_args &a) {
  if (!cache(a.cache) || !cache(a.y) || a.y.dtype != a.cache.dtype || !same_sizes(a.cache, a.y))
    return "cache must be f32, f16 or q8_0 [Pg,Hk,Ps,Dh], its rows whole blocks";
  if (a.y.data != a.cache.data) return "the output must be the cache itself";
  if (!is(a.x, FOVEA_F32, 3) || a.x.dim[1] != a.cache.dim[1] || a.x.dim[2] != a.cache.dim[3])
    return "x must be f32 [T,Hk,Dh] with the cache's heads";
  if (!is(a.pos, FOVEA_I32, 1) || !is(a.seq, FOVEA_I32, 1) || a.pos.dim[0] != a.x.dim[0] ||
      a.seq.dim[0] != a.x.dim[0])
    return "pos and seq must be i32 [T]";
  if (!is(a.pages, FOVEA_I32, 2)) return "pages must be i32 [B,Mp]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_attention_args &a) {
  if (!is(a.q, FOVEA_F32, 3) || !is(a.k, FOVEA_F32, 3) || !is(a.v, FOVEA_F32, 3) ||
      !is(a.y, FOVEA_F32, 3))
    return "q, k, v and y must be f32 [N,H,Dh]";
  if (!same_sizes(a.q, a.k) || !same_sizes(a.q, a.v) || !same_sizes(a.q, a.y))
    return "q, k, v and y must have the same sizes";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_paged_attention_args &a) {
  if (!is(a.q, FOVEA_F32, 3) || !is(a.y, FOVEA_F32, 3) || !same_sizes(a.q, a.y))
    return "q and y must be f32 [T,H,Dh]";
  if (!cache(a.k) || !cache(a.v) || a.k.dtype != a.v.dtype || !same_sizes(a.k, a.v))
    return "k and v must be f32, f16 or q8_0 [Pg,Hk,Ps,Dh] of one type, their rows whole blocks";
  if (a.k.dim[3] != a.q.dim[2] || a.q.dim[1] % a.k.dim[1] != 0) return "heads of q and k must fit";
  if (!is(a.pos, FOVEA_I32, 1) || !is(a.seq, FOVEA_I32, 1) || a.pos.dim[0] != a.q.dim[0] ||
      a.seq.dim[0] != a.q.dim[0])
    return "pos and seq must be i32 [T]";
  if (!is(a.pages, FOVEA_I32, 2)) return "pages must be i32 [B,Mp]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_quick_gelu_args &a) {
  return floats(a.x) && floats(a.y) && same_sizes(a.x, a.y)
             ? nullptr
             : "x and y must be f32 of the same sizes";
}

[[maybe_unused]] inline const char *check(const fovea_gelu_args &a) {
  return floats(a.x) && floats(a.y) && same_sizes(a.x, a.y)
             ? nullptr
             : "x and y must be f32 of the same sizes";
}

[[maybe_unused]] inline const char *check(const fovea_silu_mul_args &a) {
  if (!floats(a.g) || !floats(a.u) || !floats(a.y) || !same_sizes(a.g, a.u) ||
      !same_sizes(a.g, a.y))
    return "g, u and y must be f32 of the same sizes";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_add_args &a) {
  if (!floats(a.a) || !floats(a.b) || !floats(a.y) || !same_sizes(a.a, a.b) ||
      !same_sizes(a.a, a.y))
    return "a, b and y must be f32 of the same sizes";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_take_rows_args &a) {
  if (!is(a.x, FOVEA_F32, 2) || !is(a.rows, FOVEA_I32, 1))
    return "x must be f32 [T,D] and rows i32 [R]";
  if (!is(a.y, FOVEA_F32, 2) || a.y.dim[0] != a.rows.dim[0] || a.y.dim[1] != a.x.dim[1])
    return "y must be f32 [R,D]";
  return nullptr;
}

// linear and what may follow it. b, r and up: null where the op has none; up is swiglu's, whose gate is w.
[[maybe_unused]] inline const char *check_linear(const fovea_tensor &x, const fovea_tensor &w,
                                                 const fovea_tensor *b, const fovea_tensor *r,
                                                 const fovea_tensor *up, const fovea_tensor &y) {
  if (!is(x, FOVEA_F32, 2)) return "x must be f32 [T,I]";
  if (!weights(w)) return "w must be [O,I], its rows whole blocks";
  if (w.dim[1] != x.dim[1]) return "w must be as wide as x";
  if (!is(y, FOVEA_F32, 2) || y.dim[0] != x.dim[0] || y.dim[1] != w.dim[0])
    return "y must be f32 [T,O]";
  if (b && b->data && (!is(*b, FOVEA_F32, 1) || b->dim[0] != w.dim[0])) return "b must be f32 [O]";
  if (r && (!is(*r, FOVEA_F32, 2) || !same_sizes(*r, y))) return "r must be f32 [T,O]";
  if (up && (!sane(*up) || up->dtype != w.dtype || !same_sizes(*up, w)))
    return "gate and up must have the same type and sizes";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_norm_swiglu_args &a) {
  if (const char *why = check_linear(a.x, a.gate, nullptr, nullptr, &a.up, a.y)) return why;
  return is(a.g, FOVEA_F32, 1) && a.g.dim[0] == a.x.dim[1] ? nullptr : "g must be f32 [D]";
}

[[maybe_unused]] inline const char *check(const fovea_norm_qkv_args &a) {
  if (!is(a.x, FOVEA_F32, 2)) return "x must be f32 [T,D]";
  if (!is(a.g, FOVEA_F32, 1) || a.g.dim[0] != a.x.dim[1]) return "g must be f32 [D]";
  if (!weights(a.wq) || !weights(a.wk) || !weights(a.wv) || a.wk.dtype != a.wq.dtype ||
      a.wv.dtype != a.wq.dtype || !same_sizes(a.wk, a.wv))
    return "wq, wk and wv must be [*,D] of one type, their rows whole blocks";
  if (a.wq.dim[1] != a.x.dim[1] || a.wk.dim[1] != a.x.dim[1]) return "weights must be as wide as x";
  if (!cache(a.k) || !cache(a.v) || a.k.dtype != a.v.dtype || !same_sizes(a.k, a.v))
    return "k and v must be f32 or f16 [Pg,Hk,Ps,Dh] of one type";
  int64_t width = a.k.dim[3];
  if (width % 2 != 0) return "Dh must be even";
  if (a.wq.dim[0] % width != 0 || a.wk.dim[0] != a.k.dim[1] * width)
    return "wq must have whole heads, and wk the cache's";
  if (!is(a.y, FOVEA_F32, 3) || a.y.dim[0] != a.x.dim[0] || a.y.dim[2] != width ||
      a.y.dim[1] * width != a.wq.dim[0])
    return "y must be f32 [T,H,Dh]";
  if (!is(a.pos, FOVEA_I32, 1) || !is(a.seq, FOVEA_I32, 1) || a.pos.dim[0] != a.x.dim[0] ||
      a.seq.dim[0] != a.x.dim[0])
    return "pos and seq must be i32 [T]";
  if (!is(a.pages, FOVEA_I32, 2)) return "pages must be i32 [B,Mp]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_token_at_args &a) {
  if (!is(a.tokens, FOVEA_I32, 2)) return "tokens must be i32 [B,Mt]";
  if (!is(a.seq, FOVEA_I32, 1) || !is(a.pos, FOVEA_I32, 1) || !is(a.y, FOVEA_I32, 1) ||
      !same_sizes(a.seq, a.pos) || !same_sizes(a.y, a.pos))
    return "seq, pos and y must be i32 [T]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_sample_args &a) {
  if (!is(a.logits, FOVEA_F32, 2)) return "logits must be f32 [R,V]";
  int32_t rows = a.logits.dim[0];
  if (!is(a.tokens, FOVEA_I32, 2)) return "tokens must be i32 [B,Mt]";
  if (!is(a.seq, FOVEA_I32, 1) || !is(a.pos, FOVEA_I32, 1) || !is(a.y, FOVEA_I32, 1) ||
      a.seq.dim[0] != rows || a.pos.dim[0] != rows || a.y.dim[0] != rows)
    return "seq, pos and y must be i32 [R]";
  if (!is(a.control, FOVEA_F32, 2) || a.control.dim[0] != rows || a.control.dim[1] != 5)
    return "control must be f32 [R,5]";
  if (!is(a.seed, FOVEA_I32, 2) || a.seed.dim[0] != rows || a.seed.dim[1] != 2)
    return "seed must be i32 [R,2]";
  if (a.vocabulary < 1 || a.vocabulary > a.logits.dim[1])
    return "the vocabulary must lie within the logits";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_put_token_args &a) {
  if (!is(a.tokens, FOVEA_I32, 2) || !is(a.y, FOVEA_I32, 2) || !same_sizes(a.tokens, a.y))
    return "tokens and y must be i32 [B,Mt]";
  if (a.y.data != a.tokens.data) return "the output must be tokens itself";
  if (!is(a.ids, FOVEA_I32, 1) || !is(a.seq, FOVEA_I32, 1) || !is(a.pos, FOVEA_I32, 1) ||
      !same_sizes(a.seq, a.ids) || !same_sizes(a.pos, a.ids))
    return "ids, seq and pos must be i32 [T]";
  return nullptr;
}

[[maybe_unused]] inline const char *check(const fovea_advance_args &a) {
  if (!is(a.pos, FOVEA_I32, 1) || !is(a.y, FOVEA_I32, 1) || !same_sizes(a.pos, a.y))
    return "pos and y must be i32 [T]";
  if (a.y.data != a.pos.data) return "the output must be pos itself";
  return nullptr;
}

}  // namespace
}  // namespace fovea
