// Bidirectional attention of the vision tower: softmax(scale q k^T) v per head.
//
// A head's keys are copied transposed and its values side by side, so that both products run along contiguous vectors: four
// query rows share each load. Scores of a query tile are whole rows (N is at most some hundreds), so the softmax is the
// plain one, maximum first. Arithmetic: 4 N^2 Dh per head; traffic: q, k, v and y once, the copies stay in cache.

#include "math.h"
#include "run.h"

namespace fovea {
namespace {

constexpr int64_t QUERIES = 4;  // rows that share a load
constexpr int64_t PIECE = 32;   // rows handed out at a time

// Memory for one head: keys [Dh][padded N], values [N][Dh].
int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

int64_t head_floats(int64_t n, int64_t width) { return padded(n) * width + n * width; }

void copy_head(const fovea_attention_args *a, int64_t head, float *keys, float *values) {
  int64_t n = a->q.dim[0], heads = a->q.dim[1], width = a->q.dim[2], wide = padded(n);
  for (int64_t j = 0; j < n; j++) {
    const float *k = f32(a->k) + (j * heads + head) * width;
    for (int64_t i = 0; i < width; i++) keys[i * wide + j] = k[i];
    memcpy(values + j * width, f32(a->v) + (j * heads + head) * width,
           static_cast<size_t>(width) * 4);
  }
  for (int64_t j = n; j < wide; j++)
    for (int64_t i = 0; i < width; i++) keys[i * wide + j] = 0;
}

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  int64_t n = a->q.dim[0], heads = a->q.dim[1], width = a->q.dim[2], wide = padded(n);
  float scale = static_cast<float>(a->scale);
  auto *copies = reinterpret_cast<float *>(run.scratch);
  auto *scores = copies + heads * head_floats(n, width);
  each(run, heads, [&](int64_t h, int) {
    float *keys = copies + h * head_floats(n, width);
    copy_head(a, h, keys, keys + wide * width);
  });
  int64_t pieces = (n + PIECE - 1) / PIECE;
  each(run, heads * pieces, [&](int64_t index, int thread) {
    int64_t h = index / pieces;
    int64_t from = index % pieces * PIECE;
    int64_t to = from + PIECE < n ? from + PIECE : n;
    const float *keys = copies + h * head_floats(n, width);
    const float *values = keys + wide * width;
    float *score = scores + thread * QUERIES * wide;
    for (int64_t t = from; t < to; t += QUERIES) {
      int64_t count = to - t < QUERIES ? to - t : QUERIES;
      // Rows past the end repeat the last, so that every row is computed by the same code.
      const float *q[QUERIES];
      for (int64_t r = 0; r < QUERIES; r++)
        q[r] = f32(a->q) + ((t + (r < count ? r : count - 1)) * heads + h) * width;
      for (int64_t j = 0; j < QUERIES * wide; j++) score[j] = 0;
      for (int64_t i = 0; i < width; i++) {
        const float *k = keys + i * wide;
        float q0 = q[0][i] * scale, q1 = q[1][i] * scale, q2 = q[2][i] * scale,
              q3 = q[3][i] * scale;
        for (int64_t j = 0; j < wide; j++) {
          score[j] += q0 * k[j];
          score[wide + j] += q1 * k[j];
          score[2 * wide + j] += q2 * k[j];
          score[3 * wide + j] += q3 * k[j];
        }
      }
      for (int64_t r = 0; r < count; r++) softmax(score + r * wide, n);
      for (int64_t r = 0; r < count; r++) {
        float *y = out32(a->y) + ((t + r) * heads + h) * width;
        for (int64_t i = 0; i < width; i++) y[i] = 0;
        for (int64_t j = 0; j < n; j++) {
          float p = score[r * wide + j];
          for (int64_t i = 0; i < width; i++) y[i] += p * values[j * width + i];
        }
      }
    }
  });
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  auto *a = static_cast<const fovea_attention_args *>(args);
  int64_t n = a->q.dim[0];
  return 4 * (a->q.dim[1] * head_floats(n, a->q.dim[2]) + threads * QUERIES * padded(n));
}

const Kernel kernels[] = {{"attention", "f32,f32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_attention_args), run_, rejects<fovea_attention_args>,
                           scratch}};

}  // namespace
FOVEA_KERNELS(attention)
}  // namespace fovea
