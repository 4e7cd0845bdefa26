// Bidirectional attention of the vision tower: softmax(scale q k^T) v per head.
//
// A head's keys are copied transposed in panels that fit first-level cache, its values side by side, so that both products are
// add_product. Scores of a query tile are whole rows (N is at most some hundreds), so the softmax is the plain one, maximum
// first. Arithmetic: 4 N^2 Dh per head; traffic: q, k, v and y once, the copies stay in cache.

#include "math.h"
#include "run.h"
#include "tile.h"

namespace fovea {
namespace {

constexpr int64_t QUERIES = 4 * TILE_ROWS;  // rows that share a panel, and are handed out at a time
constexpr int64_t PANEL = TILE_VECTORS * Vec::LANES;

int64_t padded(int64_t n) { return (n + PANEL - 1) / PANEL * PANEL; }

// Memory for one head: keys [panels][Dh][PANEL], 0 past the end; values [N][Dh].
int64_t head_floats(int64_t n, int64_t width) { return padded(n) * width + n * width; }

void copy_head(const fovea_attention_args *a, int64_t head, float *keys, float *values) {
  int64_t n = a->q.dim[0], heads = a->q.dim[1], width = a->q.dim[2];
  for (int64_t j = 0; j < padded(n); j++) {
    float *key = keys + j / PANEL * width * PANEL + j % PANEL;
    const float *k = f32(a->k) + (j * heads + head) * width;
    for (int64_t i = 0; i < width; i++) key[i * PANEL] = j < n ? k[i] : 0.f;
  }
  for (int64_t j = 0; j < n; j++)
    memcpy(values + j * width, f32(a->v) + (j * heads + head) * width,
           static_cast<size_t>(width) * 4);
}

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  int64_t n = a->q.dim[0], heads = a->q.dim[1], width = a->q.dim[2], wide = padded(n);
  float scale = static_cast<float>(a->scale);
  auto *copies = reinterpret_cast<float *>(run.scratch);
  auto *tiles = copies + heads * head_floats(n, width);
  each(run, heads, [&](int64_t h, int) {
    float *keys = copies + h * head_floats(n, width);
    copy_head(a, h, keys, keys + wide * width);
  });
  int64_t pieces = (n + QUERIES - 1) / QUERIES, row = heads * width;
  each(run, heads * pieces, [&](int64_t index, int thread) {
    int64_t h = index / pieces, from = index % pieces * QUERIES;
    int64_t count = n - from < QUERIES ? n - from : QUERIES;
    const float *keys = copies + h * head_floats(n, width);
    float *score = tiles + thread * QUERIES * (wide + width), *q = score + QUERIES * wide;
    for (int64_t r = 0; r < count; r++) {
      const float *one = f32(a->q) + (from + r) * row + h * width;
      for (int64_t i = 0; i < width; i++) q[r * width + i] = one[i] * scale;
    }
    memset(score, 0, static_cast<size_t>(count * wide) * 4);
    for (int64_t j = 0; j < wide; j += PANEL)
      add_product(q, width, count, keys + j * width, PANEL, width, PANEL, score + j, wide);
    float *y = out32(a->y) + from * row + h * width;
    float inverse[QUERIES];
    for (int64_t r = 0; r < count; r++) {
      inverse[r] = softmax(score + r * wide, n);
      memset(y + r * row, 0, static_cast<size_t>(width) * 4);
    }
    add_product(score, wide, count, keys + wide * width, width, n, width, y, row);
    for (int64_t r = 0; r < count; r++)
      for (int64_t i = 0; i < width; i++) y[r * row + i] *= inverse[r];
  });
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  int64_t n = a->q.dim[0], width = a->q.dim[2];
  return 4 * (a->q.dim[1] * head_floats(n, width) + threads * QUERIES * (padded(n) + width));
}

const Kernel kernels[] = {{"attention", "f32,f32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_attention_args), run_, rejects<fovea_attention_args>,
                           scratch}};

}  // namespace
FOVEA_KERNELS(attention)
}  // namespace fovea
