// Resamples a picture as dev.fovea.op.Resize defines it, in whole numbers: every tier gives the same bits.
//
// A piece of work is a band of output rows. Its picture rows are resampled across, four at a time, and added to the band's sums
// at once, so that nothing is kept of the picture but the band. Neighbouring bands share rows, which are resampled for each.
//
// A weight w of 22 bits of fraction is cut into h * 2^12 + l, which fit 16 bits: then two instructions multiply and add two
// weights for every channel of two pixels.
//
// Traffic: the picture read once, and again what bands share. Four sums of a pixel take 27 instructions with AVX2.

#include "run.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace fovea {
namespace {

constexpr int FRACTION_BITS = 22;
constexpr uint32_t HALF = 1u << (FRACTION_BITS - 1);
constexpr int64_t CHANNELS = 3, LEVELS = 256;
constexpr int64_t LINES = 4;       // picture rows resampled together
constexpr int64_t MOST_ROWS = 32;  // of a band

struct Span {
  int32_t first, count, at, padding;
};

const Span *spans(const fovea_tensor &t) { return static_cast<const Span *>(t.data); }

uint8_t rounded(uint32_t sum) {
  int32_t v = static_cast<int32_t>(sum + HALF) >> FRACTION_BITS;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

// What all pieces of a run see.
struct Job {
  const uint8_t *picture;
  int64_t row_bytes, picture_bytes;  // the latter of the whole tensor
  const Span *across, *down;
  const int32_t *weights;
  int64_t columns;
  int32_t color[CHANNELS];
  uint8_t *padding;  // a row of padding, resampled
  // With vectors: of each column, its weights in groups of four, as eight halves (low 0..3, high 0..3); null if they do not fit.
  const int16_t *groups;
  const int32_t *group_at;
};

void across_plain(const Job &j, const uint8_t *row, uint8_t *line) {
  for (int64_t x = 0; x < j.columns; x++) {
    const Span &s = j.across[x];
    auto padding = static_cast<uint32_t>(s.padding);
    uint32_t sum[CHANNELS];
    for (int64_t c = 0; c < CHANNELS; c++) sum[c] = padding * static_cast<uint32_t>(j.color[c]);
    const uint8_t *from = row + s.first * CHANNELS;
    for (int64_t k = 0; k < s.count; k++) {
      auto w = static_cast<uint32_t>(j.weights[s.at + k]);
      for (int64_t c = 0; c < CHANNELS; c++) sum[c] += w * from[k * CHANNELS + c];
    }
    for (int64_t c = 0; c < CHANNELS; c++) line[x * CHANNELS + c] = rounded(sum[c]);
  }
}

#if defined(__AVX2__)

constexpr int64_t GROUP = 4;
constexpr int LOW_BITS = 12;
// A group reads 16 bytes, up to three pixels and four bytes more than there are weights.
constexpr int64_t OVERREAD = 13;

int64_t groups_of(const Span &s) { return (s.count + GROUP - 1) / GROUP; }

// Whether every weight fits the halves and the groups fit their room.
bool pack(const fovea_resize_args *a, int16_t *groups, int64_t room, int32_t *group_at) {
  int64_t at = 0;
  for (int64_t x = 0; x < a->across.dim[0]; x++) {
    const Span &s = spans(a->across)[x];
    if (at + groups_of(s) > room) return false;
    group_at[x] = static_cast<int32_t>(at);
    for (int64_t g = 0; g < groups_of(s); g++, at++) {
      for (int64_t i = 0; i < GROUP; i++) {
        int64_t k = g * GROUP + i;
        int32_t w = k < s.count ? i32(a->weights)[s.at + k] : 0;
        int32_t high = w >> LOW_BITS;
        if (high != static_cast<int16_t>(high)) return false;
        groups[at * 2 * GROUP + i] = static_cast<int16_t>(w & ((1 << LOW_BITS) - 1));
        groups[at * 2 * GROUP + GROUP + i] = static_cast<int16_t>(high);
      }
    }
  }
  return true;
}

// Four pixels of three bytes in each half of 128 bits -> the first two there, the other two here, channels apart, as halves:
// r0 r1 g0 g1 b0 b1 0 0 | r2 r3 g2 g3 b2 b3 0 0.
__m256i pairs() {
  return _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                          6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
}

// Red, green and blue of the two halves of sums -> three bytes.
void finish(__m256i high, __m256i low, __m128i base, uint8_t *to) {
  __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
  __m128i sum = _mm_add_epi32(
      _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)), base);
  __m128i v = _mm_srai_epi32(sum, FRACTION_BITS);
  v = _mm_packus_epi16(_mm_packs_epi32(v, v), v);
  auto bytes = static_cast<uint32_t>(_mm_cvtsi128_si32(v));
  memcpy(to, &bytes, 2);
  to[2] = static_cast<uint8_t>(bytes >> 16);
}

void across_four(const Job &j, const uint8_t *const (&rows)[LINES], uint8_t *line) {
  const __m128i color = _mm_setr_epi32(j.color[0], j.color[1], j.color[2], 0),
                half = _mm_set1_epi32(HALF);
  int64_t width = j.columns * CHANNELS;
  for (int64_t x = 0; x < j.columns; x++) {
    const Span &s = j.across[x];
    const auto *w = reinterpret_cast<const __m128i *>(j.groups + j.group_at[x] * 2 * GROUP);
    int64_t from = s.first * CHANNELS, n = groups_of(s);
    __m128i base = _mm_add_epi32(_mm_mullo_epi32(_mm_set1_epi32(s.padding), color), half);
#if defined(__AVX512VNNI__)
    // Two rows to a register.
    const __m512i spread = _mm512_broadcast_i64x4(pairs());
    const __m512i low_at = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1);
    const __m512i high_at = _mm512_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 3, 3, 3, 3);
    __m512i low[2] = {}, high[2] = {};
    for (int64_t g = 0; g < n; g++, from += GROUP * CHANNELS) {
      __m512i group = _mm512_castsi128_si512(_mm_loadu_si128(w + g));
      __m512i l = _mm512_permutexvar_epi32(low_at, group);
      __m512i h = _mm512_permutexvar_epi32(high_at, group);
      for (int i = 0; i < 2; i++) {
        auto at = [&](int r) {
          return _mm256_broadcastsi128_si256(
              _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[r] + from)));
        };
        __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(at(2 * i)), at(2 * i + 1), 1);
        v = _mm512_shuffle_epi8(v, spread);
        low[i] = _mm512_dpwssd_epi32(low[i], v, l);
        high[i] = _mm512_dpwssd_epi32(high[i], v, h);
      }
    }
    for (int i = 0; i < 2; i++) {
      uint8_t *to = line + 2 * i * width + x * CHANNELS;
      finish(_mm512_castsi512_si256(high[i]), _mm512_castsi512_si256(low[i]), base, to);
      finish(_mm512_extracti64x4_epi64(high[i], 1), _mm512_extracti64x4_epi64(low[i], 1), base,
             to + width);
    }
#else
    const __m256i spread = pairs();
    const __m256i low_at = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i high_at = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    __m256i low[LINES] = {}, high[LINES] = {};
    for (int64_t g = 0; g < n; g++, from += GROUP * CHANNELS) {
      __m256i group = _mm256_castsi128_si256(_mm_loadu_si128(w + g));
      __m256i l = _mm256_permutevar8x32_epi32(group, low_at);
      __m256i h = _mm256_permutevar8x32_epi32(group, high_at);
      for (int64_t r = 0; r < LINES; r++) {
        __m256i v = _mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[r] + from)));
        v = _mm256_shuffle_epi8(v, spread);
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(v, l));
        high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(v, h));
      }
    }
    for (int64_t r = 0; r < LINES; r++)
      finish(high[r], low[r], base, line + r * width + x * CHANNELS);
#endif
  }
}

#endif

// Picture rows `from` to `to`, at most LINES of them, resampled one behind the other.
void lines(const Job &j, int64_t from, int64_t to, uint8_t *line) {
#if defined(__AVX2__)
  if (j.groups && to * j.row_bytes + OVERREAD <= j.picture_bytes) {
    const uint8_t *rows[LINES];
    for (int64_t i = 0; i < LINES; i++)
      rows[i] = j.picture + (from + i < to ? from + i : to - 1) * j.row_bytes;
    across_four(j, rows, line);
    return;
  }
#endif
  for (int64_t y = from; y < to; y++, line += j.columns * CHANNELS)
    across_plain(j, j.picture + y * j.row_bytes, line);
}

void add(uint32_t *sums, const uint8_t *line, int32_t weight, int64_t n) {
  auto w = static_cast<uint32_t>(weight);
  for (int64_t i = 0; i < n; i++) sums[i] += w * line[i];
}

// Output rows `from` to `to`.
void band(const Job &j, const fovea_resize_args *a, bool turned, int64_t from, int64_t to,
          uint32_t *sums, uint8_t *line) {
  int64_t width = j.columns * CHANNELS, first = INT64_MAX, end = 0;
  for (int64_t y = from; y < to; y++) {
    const Span &s = j.down[y];
    uint32_t *sum = sums + (y - from) * width;
    memset(sum, 0, static_cast<size_t>(width) * 4);
    if (s.padding) add(sum, j.padding, s.padding, width);
    if (s.count == 0) continue;
    first = s.first < first ? s.first : first;
    end = s.first + s.count > end ? s.first + s.count : end;
  }
  for (int64_t row = first; row < end; row += LINES) {
    int64_t stop = row + LINES < end ? row + LINES : end;
    lines(j, row, stop, line);
    for (int64_t y = from; y < to; y++) {
      const Span &s = j.down[y];
      for (int64_t r = row < s.first ? s.first : row; r < stop && r < s.first + s.count; r++)
        add(sums + (y - from) * width, line + (r - row) * width, j.weights[s.at + r - s.first],
            width);
    }
  }
  int64_t height = a->y.dim[1];
  for (int64_t y = from; y < to; y++) {
    const uint32_t *sum = sums + (y - from) * width;
    for (int64_t c = 0; c < CHANNELS; c++) {
      const float *levels = f32(a->levels) + c * LEVELS;
      float *out = out32(a->y) + c * height * j.columns + (turned ? y : y * j.columns);
      int64_t step = turned ? height : 1;
      for (int64_t x = 0; x < j.columns; x++)
        out[x * step] = levels[rounded(sum[x * CHANNELS + c])];
    }
  }
}

bool inside(const fovea_tensor &t, int64_t size, int64_t weights) {
  for (int64_t i = 0; i < t.dim[0]; i++) {
    const Span &s = spans(t)[i];
    if (s.first < 0 || s.count < 0 || int64_t{s.first} + s.count > size || s.at < 0 ||
        int64_t{s.at} + s.count > weights)
      return false;
  }
  return true;
}

// Scratch memory: the row of padding, the groups of weights, then each thread's sums and lines.
struct Layout {
  int64_t padding, group_at, room, groups, sums, lines;
  explicit Layout(const fovea_resize_args *a) {
    int64_t columns = a->across.dim[0];
    padding = align64(columns * CHANNELS);
    group_at = align64(columns * 4);
    // As many as spans that share no weights can have.
    room = a->weights.dim[0] / 4 + columns;
    groups = align64(room * 16);
    sums = align64(MOST_ROWS * columns * CHANNELS * 4);
    lines = align64(LINES * columns * CHANNELS);
  }
  int64_t shared() const { return padding + group_at + groups; }
};

int32_t run_(Run &run, const void *args) {
  auto *a = static_cast<const fovea_resize_args *>(args);
  const int32_t *geometry = i32(a->geometry);
  int64_t width = geometry[0], height = geometry[1], weights = a->weights.dim[0];
  if (width < 1 || height < 1 || width * height > a->picture.dim[0] / CHANNELS)
    return FOVEA_E_RANGE;
  if (!inside(a->across, width, weights) || !inside(a->down, height, weights)) return FOVEA_E_RANGE;
  for (int64_t c = 0; c < CHANNELS; c++)
    if (geometry[3 + c] < 0 || geometry[3 + c] > 255) return FOVEA_E_RANGE;
  Layout at(a);
  Job j{};
  j.picture = u8(a->picture);
  j.row_bytes = width * CHANNELS;
  j.picture_bytes = a->picture.dim[0];
  j.across = spans(a->across);
  j.down = spans(a->down);
  j.weights = i32(a->weights);
  j.columns = a->across.dim[0];
  j.padding = run.scratch;
  for (int64_t c = 0; c < CHANNELS; c++) j.color[c] = geometry[3 + c];
  for (int64_t x = 0; x < j.columns; x++) {
    const Span &s = j.across[x];
    auto total = static_cast<uint32_t>(s.padding);
    for (int64_t k = 0; k < s.count; k++) total += static_cast<uint32_t>(j.weights[s.at + k]);
    for (int64_t c = 0; c < CHANNELS; c++)
      j.padding[x * CHANNELS + c] = rounded(total * static_cast<uint32_t>(j.color[c]));
  }
#if defined(__AVX2__)
  auto *group_at = reinterpret_cast<int32_t *>(run.scratch + at.padding);
  auto *groups = reinterpret_cast<int16_t *>(run.scratch + at.padding + at.group_at);
  j.group_at = group_at;
  j.groups = pack(a, groups, at.room, group_at) ? groups : nullptr;
#endif
  // Long enough that bands share little, short enough that every thread has two.
  int64_t rows = a->y.dim[1], grain = (rows + 2 * run.threads - 1) / (2 * run.threads);
  grain = grain < 8 ? 8 : grain > MOST_ROWS ? MOST_ROWS : grain;
  ranges(run, rows, grain, [&](int64_t from, int64_t to, int thread) {
    uint8_t *own = run.scratch + at.shared() + thread * (at.sums + at.lines);
    band(j, a, geometry[2] != 0, from, to, reinterpret_cast<uint32_t *>(own), own + at.sums);
  });
  return FOVEA_OK;
}

int64_t scratch(const void *args, int threads) {
  Layout at(static_cast<const fovea_resize_args *>(args));
  return at.shared() + threads * (at.sums + at.lines);
}

const Kernel kernels[] = {{"resize", "f32,u8,i32,i32,i32,i32,f32->f32", FOVEA_VARIANT,
                           sizeof(fovea_resize_args), run_, rejects<fovea_resize_args>, scratch}};

}  // namespace
FOVEA_KERNELS(resize)
}  // namespace fovea
