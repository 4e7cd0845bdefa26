// Causal attention over the paged cache: row t sees positions 0..pos[t] of sequence seq[t].
//
// A piece of work is one query head of up to eight rows of x. Page by page the head's keys are widened to binary32 once for
// all these rows and every row takes its scores; then, with the softmax done, the values likewise. A row's arithmetic does
// not depend on which rows share its piece. Traffic: for one row the keys and values of its sequence once.

#include "half.h"
#include "math.h"
#include "run.h"

namespace fovea {
namespace {

constexpr int64_t QUERIES = 8;

struct Shape {
  int64_t heads, key_heads, width, places, table, longest;
};

Shape shape(const fovea_paged_attention_args *a) {
  return {a->q.dim[1], a->k.dim[1],     a->k.dim[3],
          a->k.dim[2], a->pages.dim[1], int64_t{a->pages.dim[1]} * a->k.dim[2]};
}

template <int32_t DTYPE>
const float *widened(const fovea_tensor &cache, int64_t at, int64_t n, float *to) {
  if constexpr (DTYPE == FOVEA_Q8_0) {
    auto *from = static_cast<const fovea_q8_0 *>(cache.data) + at / FOVEA_BLOCK;
    for (int64_t i = 0; i < n; i += FOVEA_BLOCK, from++) {
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
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
      _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from + i))));
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
#endif
    for (; i < n; i++) to[i] = from_half(from[i]);
    return to;
  } else {
    (void)n;
    (void)to;
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
    for (int64_t i = 0; i < count * s.width; i++) sums[i] = 0;
    for (int pass = 0; pass < 2; pass++) {  // keys, then values
      const fovea_tensor &cache = pass == 0 ? a->k : a->v;
      for (int64_t p = 0; p * s.places < s.longest; p++) {
        int64_t first = p * s.places;
        bool any = false;
        int64_t loaded = -1;
        const float *data = nullptr;
        for (int64_t r = 0; r < count; r++) {
          if (pos[r] < first) continue;
          any = true;
          int64_t page = i32(a->pages)[seq[r] * s.table + p];
          if (page != loaded) {
            int64_t at = (page * s.key_heads + h * s.key_heads / s.heads) * s.places * s.width;
            data = widened<DTYPE>(cache, at, s.places * s.width, page_copy);
            loaded = page;
          }
          int64_t n = pos[r] + 1 - first < s.places ? pos[r] + 1 - first : s.places;
          float *w = score + r * s.longest + first;
          if (pass == 0) {
            const float *q = f32(a->q) + ((from + r) * s.heads + h) * s.width;
            for (int64_t j = 0; j < n; j++) w[j] = scale * dot(q, data + j * s.width, s.width);
          } else {
            float *y = sums + r * s.width;
            for (int64_t j = 0; j < n; j++) {
              float weight = w[j];
              for (int64_t i = 0; i < s.width; i++) y[i] += weight * data[j * s.width + i];
            }
          }
        }
        if (!any) break;
      }
      for (int64_t r = 0; pass == 0 && r < count; r++) {
        softmax(score + r * s.longest, pos[r] + 1);
      }
    }
    for (int64_t r = 0; r < count; r++)
      memcpy(out32(a->y) + ((from + r) * s.heads + h) * s.width, sums + r * s.width,
             static_cast<size_t>(s.width) * 4);
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
