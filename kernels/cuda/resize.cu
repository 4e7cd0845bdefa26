// Resamples a picture as dev.fovea.op.Resize defines it, in whole numbers. A block makes a tile of 32 columns and 8 rows: it
// resamples the picture rows that the tile reads across, 64 at a time, into shared memory, and adds them to the tile's sums, so
// that no memory is needed for the picture between the passes, however long and thin it is. Tiles above each other share rows, which
// each resamples for itself: 11 where 8 would do.
//
// Across, eight threads share a column and read neighbouring pixels; the columns beside it overlap, so that a warp reads whole
// sectors. Each weight serves four rows.
//
// Traffic: the picture a little more than once from the second level. Expected, not measured: 60 us for 4000 x 3000 to 336 x 336,
// against 0.7 ms that its 36 MB take to come here.

#include "cuda/block.cuh"
#include "cuda/resize.h"

namespace {

constexpr int FRACTION_BITS = 22, CHANNELS = 3, LEVELS = 256;
constexpr int COLUMNS = 32, ROWS = 8;  // of a tile
constexpr int CHUNK = 64;              // picture rows in shared memory
constexpr int SHARE = 8;               // threads to a column
constexpr int BATCH = 4;               // picture rows that a column's threads take together
constexpr uint32_t ALL = 0xffffffffu;

struct Span {
  int first, count, at, padding;
};

// One that lies outside of the picture or the weights is reported and reads nothing.
FOVEA_DEVICE Span span(const ResizeParams &p, const int32_t *spans, int i, int size) {
  Span s{spans[4 * i], spans[4 * i + 1], spans[4 * i + 2], spans[4 * i + 3]};
  if (s.first < 0 || s.count < 0 || int64_t{s.first} + s.count > size || s.at < 0 ||
      int64_t{s.at} + s.count > p.weight_count) {
    report(p.error);
    s.count = 0;
  }
  return s;
}

FOVEA_DEVICE int rounded(uint32_t sum) {
  int v = static_cast<int>(sum + (1u << (FRACTION_BITS - 1))) >> FRACTION_BITS;
  return min(max(v, 0), LEVELS - 1);
}

FOVEA_DEVICE uint32_t sum_of_share(uint32_t v) {
  for (int mask = SHARE / 2; mask > 0; mask >>= 1) v += __shfl_xor_sync(ALL, v, mask);
  return v;
}

}  // namespace

FOVEA_KERNEL_BLOCKS(resize__tile, ResizeParams, COLUMNS *SHARE, 3) {
  take_turn();
  FOVEA_SHARED(uint8_t, middle, (CHUNK + 1) * COLUMNS * CHANNELS);  // the last row is padding
  int width = p.geometry[0], height = p.geometry[1];
  bool turned = p.geometry[2] != 0;
  uint32_t color[CHANNELS];
  bool sense = width > 0 && height > 0 && int64_t{width} * height <= p.picture_bytes / CHANNELS;
  for (int c = 0; c < CHANNELS; c++) {
    color[c] = static_cast<uint32_t>(p.geometry[3 + c]);
    sense = sense && color[c] < LEVELS;
  }
  if (!sense) {
    if (threadIdx.x == 0) report(p.error);
    return;
  }
  int me = static_cast<int>(threadIdx.x);
  int left = static_cast<int>(blockIdx.x) * COLUMNS, top = static_cast<int>(blockIdx.y) * ROWS;

  // Across: the column whose weights this thread shares. Columns past the last repeat it, so that whole warps add.
  int column = me / SHARE, share = me % SHARE;
  Span across = span(p, p.across, min(left + column, p.columns - 1), width);
  // Down: the output that this thread sums.
  int row = me / COLUMNS, x = me % COLUMNS;
  Span down = span(p, p.down, min(top + row, p.rows - 1), height);

  uint32_t total = 0;
  for (int k = share; k < across.count; k += SHARE)
    total += static_cast<uint32_t>(p.weights[across.at + k]);
  total = sum_of_share(total) + static_cast<uint32_t>(across.padding);
  if (share < CHANNELS)
    middle[(CHUNK * COLUMNS + column) * CHANNELS + share] =
        static_cast<uint8_t>(rounded(total * (share == 0   ? color[0]
                                              : share == 1 ? color[1]
                                                           : color[2])));

  int from = height, to = 0;
  for (int i = 0; i < ROWS; i++) {
    Span s = span(p, p.down, min(top + i, p.rows - 1), height);
    if (s.count > 0) {
      from = min(from, s.first);
      to = max(to, s.first + s.count);
    }
  }

  __syncthreads();
  uint32_t sums[CHANNELS];
  for (int c = 0; c < CHANNELS; c++)
    sums[c] = static_cast<uint32_t>(down.padding) * middle[(CHUNK * COLUMNS + x) * CHANNELS + c];
  for (int chunk = from; chunk < to; chunk += CHUNK) {
    int end = min(chunk + CHUNK, to);
    for (int y = chunk; y < end; y += BATCH) {
      uint32_t part[BATCH][CHANNELS] = {};
      // Rows past the last repeat it.
      const uint8_t *at[BATCH];
      for (int i = 0; i < BATCH; i++)
        at[i] = p.picture + (int64_t{min(y + i, end - 1)} * width + across.first) * CHANNELS;
      for (int k = share; k < across.count; k += SHARE) {
        auto w = static_cast<uint32_t>(p.weights[across.at + k]);
        for (int i = 0; i < BATCH; i++)
          for (int c = 0; c < CHANNELS; c++) part[i][c] += w * at[i][k * CHANNELS + c];
      }
      for (int i = 0; i < BATCH; i++) {
        for (int c = 0; c < CHANNELS; c++) {
          uint32_t sum =
              sum_of_share(part[i][c]) + static_cast<uint32_t>(across.padding) * color[c];
          if (share == i && y + i < end)
            middle[((y + i - chunk) * COLUMNS + column) * CHANNELS + c] =
                static_cast<uint8_t>(rounded(sum));
        }
      }
    }
    __syncthreads();
    int last = min(end, down.first + down.count);
    for (int y = max(chunk, down.first); y < last; y++) {
      auto w = static_cast<uint32_t>(p.weights[down.at + y - down.first]);
      for (int c = 0; c < CHANNELS; c++)
        sums[c] += w * middle[((y - chunk) * COLUMNS + x) * CHANNELS + c];
    }
    __syncthreads();
  }

  int oy = top + row, ox = left + x;
  if (oy >= p.rows || ox >= p.columns) return;
  int64_t plane = int64_t{p.rows} * p.columns;
  int64_t place = turned ? int64_t{ox} * p.rows + oy : int64_t{oy} * p.columns + ox;
  for (int c = 0; c < CHANNELS; c++)
    p.y[c * plane + place] = p.levels[c * LEVELS + rounded(sums[c])];
}
