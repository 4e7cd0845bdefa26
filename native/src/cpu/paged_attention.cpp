// Causal attention over the paged cache: row t sees positions 0..pos[t] of sequence seq[t].
//
// A piece of work is one query head of up to twelve rows of x. Page by page the head's keys are widened to binary32 once for
// all rows that see the page, which take their scores together; then, with the softmax done, the values likewise. A row's
// arithmetic does not depend on which rows share its piece. Traffic: for one row the keys and values of its sequence once.

#include "half.h"
#include "math.h"
#include "run.h"
#include "tile.h"

namespace fovea {
namespace {

constexpr int64_t QUERIES = 12;

struct Shape {
  int64_t heads, key_heads, width, places, table, longest;
};

Shape shape(const fovea_paged_attention_args *a) {
  return {a->q.dim[1], a->k.dim[1],     a->k.dim[3],
          a->k.dim[2], a->pages.dim[1], int64_t{a->pages.dim[1]} * a->k.dim[2]};
}

// n elements from `at` on as binary32. `next` is where the page that follows begins: pages lie anywhere, so no processor sees by itself
// what comes after one, and what is asked for while this one is read is there in time.
template <int32_t DTYPE>
const float *widened(const fovea_tensor &cache, int64_t at, int64_t next, int64_t n, float *to) {
  if constexpr (DTYPE == FOVEA_Q8_0) {
    auto *from = static_cast<const fovea_q8_0 *>(cache.data) + at / FOVEA_BLOCK;
    const int64_t apart = (next - at) / FOVEA_BLOCK;
    for (int64_t i = 0; i < n; i += FOVEA_BLOCK, from++) {
      __builtin_prefetch(from + apart);
      float d = from_half(from->d);
#if defined(__AVX512F__)
      for (int half = 0; half < FOVEA_BLOCK; half += 16) {
        __m512i q = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(from->q + half)));
        _mm512_storeu_ps(to + i + half, _mm512_mul_ps(_mm512_set1_ps(d), _mm512_cvtepi32_ps(q)));
      }
#else
      for (int j = 0; j < FOVEA_BLOCK; j++) to[i + j] = d * static_cast<float>(from->q[j]);
#endif
    }
    return to;
  } else if constexpr (DTYPE == FOVEA_F16) {
    auto *from = static_cast<const uint16_t *>(cache.data) + at;
    const int64_t apart = next - at;
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
      __builtin_prefetch(from + i + apart);
      UNROLL for (int j = 0; j < 32; j += Vec::LANES) Vec::half(from + i + j).store(to + i + j);
    }
    for (; i < n; i++) to[i] = from_half(from[i]);
    return to;
  } else {
    (void)n, (void)to, (void)next;
    return f32(cache) + at;
  }
}

template <int32_t DTYPE>
int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_paged_attention_args *>(args);
  Shape s = shape(a);
  int64_t rows = live_rows(a->q);
  if (rows < 0) return FOVEA_E_RANGE;
  for (int64_t t = 0; t < rows; t++) {
    int32_t pos = i32(a->pos)[t], seq = i32(a->seq)[t];
    if (pos < 0 || pos >= s.longest || seq < 0 || seq >= a->pages.dim[0]) return FOVEA_E_RANGE;
    for (int64_t p = 0; p <= pos / s.places; p++) {
      int32_t page = i32(a->pages)[seq * s.table + p];
      if (page < 0 || page >= a->k.dim[0]) return FOVEA_E_RANGE;
    }
  }
  float scale = static_cast<float>(a->scale);
  int64_t per_thread =
      (QUERIES * s.longest + s.places * s.width + QUERIES * s.width + 15) / 16 * 16;
  int64_t groups = (rows + QUERIES - 1) / QUERIES;
  each(run, groups * s.heads, [&](int64_t index, int thread) {
    int64_t from = index / s.heads * QUERIES;
    int64_t h = index % s.heads;
    int64_t count = rows - from < QUERIES ? rows - from : QUERIES;
    float *score = reinterpret_cast<float *>(run.scratch) + thread * per_thread;
    float *page_copy = score + QUERIES * s.longest;
    float *sums = page_copy + s.places * s.width;
    const int32_t *pos = i32(a->pos) + from;
    const int32_t *seq = i32(a->seq) + from;
    const float *q = f32(a->q) + (from * s.heads + h) * s.width;
    const int64_t q_row = s.heads * s.width;
    // The page p of a row's sequence, and how many of its places the row sees; -1 and 0 beyond its position.
    auto places_of = [&](int64_t r, int64_t p) {
      int64_t n = pos[r] + 1 - p * s.places;
      return n < 0 ? 0 : n < s.places ? n : s.places;
    };
    auto page_of = [&](int64_t r, int64_t p) -> int64_t {
      return places_of(r, p) > 0 ? i32(a->pages)[seq[r] * s.table + p] : -1;
    };
    float inverse[QUERIES];
    for (int64_t i = 0; i < count * s.width; i++) sums[i] = 0;
    for (int pass = 0; pass < 2; pass++) {  // keys, then values
      const fovea_tensor &cache = pass == 0 ? a->k : a->v;
      bool any = true;
      for (int64_t p = 0; any && p * s.places < s.longest; p++) {
        any = false;
        for (int64_t r = 0, next; r < count; r = next) {
          // Rows r .. next-1 see this page, `common` places of it or more.
          int64_t page = page_of(r, p), common = places_of(r, p);
          for (next = r + 1; next < count && page >= 0 && page_of(next, p) == page; next++)
            common = places_of(next, p) < common ? places_of(next, p) : common;
          if (page < 0) continue;
          any = true;
          auto place = [&](int64_t one) {
            return (one * s.key_heads + h * s.key_heads / s.heads) * s.places * s.width;
          };
          int64_t after = page_of(next - 1, p + 1);
          const float *data = widened<DTYPE>(cache, place(page), place(after < 0 ? page : after),
                                             s.places * s.width, page_copy);
          auto visit = [&](int64_t one, int64_t rows_, int64_t j, int64_t n) {
            float *w = score + one * s.longest + p * s.places + j;
            if (pass == 0) {
              scaled_dots(q + one * q_row, q_row, rows_, data + j * s.width, s.width, n, s.width,
                          scale, w, s.longest);
            } else {
              add_product(w, s.longest, rows_, data + j * s.width, s.width, n, s.width,
                          sums + one * s.width, s.width);
            }
          };
          visit(r, next - r, 0, common);
          for (int64_t one = r; one < next; one++)
            if (int64_t more = places_of(one, p) - common; more > 0) visit(one, 1, common, more);
        }
      }
      for (int64_t r = 0; pass == 0 && r < count; r++)
        inverse[r] = softmax(score + r * s.longest, pos[r] + 1);
    }
    for (int64_t r = 0; r < count; r++) {
      float *y = out32(a->y) + ((from + r) * s.heads + h) * s.width;
      for (int64_t i = 0; i < s.width; i++) y[i] = sums[r * s.width + i] * inverse[r];
    }
  });
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  Shape s = shape(static_cast<const fovea_paged_attention_args *>(args));
  return int64_t{4} * threads *
         ((QUERIES * s.longest + s.places * s.width + QUERIES * s.width + 15) / 16 * 16);
}

const Kernel kernels[] = {{"paged_attention", "f32,f32,f32,i32,i32,i32->f32", FOVEA_VARIANT,
                           sizeof(fovea_paged_attention_args), run_<FOVEA_F32>,
                           rejects<fovea_paged_attention_args>, scratch},
                          {"paged_attention", "f32,f16,f16,i32,i32,i32->f32", FOVEA_VARIANT,
                           sizeof(fovea_paged_attention_args), run_<FOVEA_F16>,
                           rejects<fovea_paged_attention_args>, scratch},
                          {"paged_attention", "f32,q8_0,q8_0,i32,i32,i32->f32", FOVEA_VARIANT,
                           sizeof(fovea_paged_attention_args), run_<FOVEA_Q8_0>,
                           rejects<fovea_paged_attention_args>, scratch}};

}  // namespace
FOVEA_KERNELS(paged_attention)
}  // namespace fovea
