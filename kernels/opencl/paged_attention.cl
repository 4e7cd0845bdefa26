// Softmax(scale q k^T) v over a sequence's positions up to the row's own, keys and values in pages. DH is the width of a head, CACHE
// the type of the pages. A row whose sequence, position or page does not exist is reported and left alone.

// The place of each of n keys from `first` on; whether all exist. Those past `last` repeat it.
bool places_of(long *at, int n, __global const int *pages, int sequences, int table, int pool, int heads, int places,
               int seq, int head, int first, int last) {
  bool there = true;
  for (int j = 0; j < n; j++) {
    at[j] = cache_row(pages, sequences, table, pool, heads, places, seq, head, min(first + j, last));
    there = there && at[j] >= 0;
  }
  return there;
}

// Keys `first` to `end` of a row of a head: the largest score, the sum of the weights, and the values' sums so weighted, or false if
// one of them has no place. Lanes along the head, sixteen keys at a time, so that one vector exponential serves them.
bool attend(__global const float *row, __global const uchar *k, __global const uchar *v, __global const int *pages, int sequences,
            int table, int pool, int key_heads, int places, int seq, int key_head, float scale, int first, int end, float *largest,
            float *weights, float16 *sums) {
  float16 q[PIECES], piece[PIECES];
  float padded[PIECES * 16];
  for (int d = 0; d < PIECES * 16; d++) padded[d] = d < DH ? row[d] * scale : 0;
  for (int i = 0; i < PIECES; i++) {
    q[i] = vload16(i, padded);
    sums[i] = 0;
  }
  float most = -FLT_MAX, total = 0;
  for (; first < end; first += 16) {
    long place[16];
    if (!places_of(place, 16, pages, sequences, table, pool, key_heads, places, seq, key_head, first, end - 1)) return false;
    int n = min(16, end - first);
    float scores[16];
    for (int j = 0; j < 16; j++) scores[j] = -INFINITY;
    for (int j = 0; j < n; j++) {
      get_row(k + place[j] * CACHE_ROW(DH), piece);
      float16 dot = q[0] * piece[0];
      for (int i = 1; i < PIECES; i++) dot += q[i] * piece[i];
      scores[j] = sum16(dot);
    }
    float above = most;
    for (int j = 0; j < n; j++) above = fmax(above, scores[j]);
    float shrink = exp(most - above);
    most = above;
    float16 w = exp(vload16(0, scores) - above);
    total = total * shrink + sum16(w);
    vstore16(w, 0, scores);
    for (int i = 0; i < PIECES; i++) sums[i] *= shrink;
    for (int j = 0; j < n; j++) {
      get_row(v + place[j] * CACHE_ROW(DH), piece);
      for (int i = 0; i < PIECES; i++) sums[i] += scores[j] * piece[i];
    }
  }
  *largest = most;
  *weights = total;
  return true;
}

// A work-item to a row of a head, for decoding, where rows are few.
__kernel GROUP(1) void paged_attention__row(TENSOR(q), TENSOR(k), TENSOR(v), TENSOR(pos), TENSOR(seq), TENSOR(pages), TENSOR(y),
                                   int sequences, int table, int pool, int heads, int key_heads, int places, float scale,
                                   ERROR) {
  int head = get_global_id(0), row = get_global_id(1), last = I32(pos)[row];
  ulong at = ((ulong)row * heads + head) * DH;
  float most, total, padded[PIECES * 16];
  float16 sums[PIECES];
  if (last < 0 || !attend(F32(q) + at, BYTES(k), BYTES(v), I32(pages), sequences, table, pool, key_heads, places,
                          I32(seq)[row], head * key_heads / heads, scale, 0, last + 1, &most, &total, sums)) {
    REPORT();
    return;
  }
  for (int i = 0; i < PIECES; i++) vstore16(sums[i] / total, i, padded);
  for (int d = 0; d < DH; d++) F32(y)[at + d] = padded[d];
}

// For few rows far into long texts: a work-item to `span` keys of a row of a head, so that there is work for every unit. Behind each
// other in `parts`: the largest score, the sum of the weights (less than 0 where a key has no place), the values' sums so weighted.
#define PART (2 + DH)
__kernel GROUP(1) void paged_attention__part(TENSOR(q), TENSOR(k), TENSOR(v), TENSOR(pos), TENSOR(seq), TENSOR(pages),
                                    TENSOR(parts), int sequences, int table, int pool, int heads, int key_heads, int places,
                                    int span, float scale, ERROR) {
  int head = get_global_id(0), row = get_global_id(1), part = get_global_id(2), last = I32(pos)[row];
  if (part > 0 && last < part * span) return;  // of the first one, join asks whether there was an error
  ulong at = (ulong)row * heads + head;
  __global float *to = F32(parts) + (at * get_global_size(2) + part) * PART;
  float most, total, padded[PIECES * 16];
  float16 sums[PIECES];
  if (last < 0 || !attend(F32(q) + at * DH, BYTES(k), BYTES(v), I32(pages), sequences, table, pool, key_heads, places,
                          I32(seq)[row], head * key_heads / heads, scale, part * span, min((part + 1) * span, last + 1), &most,
                          &total, sums)) {
    REPORT();
    to[1] = -1;
    return;
  }
  to[0] = most;
  to[1] = total;
  for (int i = 0; i < PIECES; i++) vstore16(sums[i], i, padded);
  for (int d = 0; d < DH; d++) to[2 + d] = padded[d];
}

// The parts of a row of a head as one, a work-item each, in their order: same input, same bits.
__kernel GROUP(1) void paged_attention__join(TENSOR(parts), TENSOR(pos), TENSOR(y), int heads, int count, int span) {
  int head = get_global_id(0), row = get_global_id(1), n = max(I32(pos)[row], 0) / span + 1;
  ulong at = (ulong)row * heads + head;
  __global const float *from = F32(parts) + at * count * PART;
  float most = -FLT_MAX, total = 0, sums[DH];
  for (int part = 0; part < n; part++) {
    if (from[part * PART + 1] < 0) return;  // reported already
    most = fmax(most, from[part * PART]);
  }
  for (int d = 0; d < DH; d++) sums[d] = 0;
  for (int part = 0; part < n; part++) {
    float shrink = exp(from[part * PART] - most);
    total += shrink * from[part * PART + 1];
    for (int d = 0; d < DH; d++) sums[d] += shrink * from[part * PART + 2 + d];
  }
  for (int d = 0; d < DH; d++) F32(y)[at * DH + d] = sums[d] / total;
}

// As attention__lanes: sixteen rows of a head to a work-item, one to a lane. Rows of several sequences take turns. For prompts. Later
// rows have more keys: the first blocks of rows take turns with the last, so that consecutive groups have equal work.
#define KEYS 8

__kernel GROUP(1) void paged_attention__lanes(TENSOR(q), TENSOR(k), TENSOR(v), TENSOR(pos), TENSOR(seq), TENSOR(pages), TENSOR(y),
                                     int rows, int sequences, int table, int pool, int heads, int key_heads, int places,
                                     float scale, ERROR) {
  int i = get_global_id(1), blocks = get_global_size(1);
  int head = get_global_id(0), top = (i % 2 == 0 ? i / 2 : blocks - 1 - i / 2) * 16, n = min(16, rows - top);
  int key_head = head * key_heads / heads;
  float16 q[DH], sums[DH];
  int seqs[16], ends[16];
  for (int lane = 0; lane < 16; lane++) {
    int row = top + min(lane, n - 1);
    __global const float *x = F32(q) + ((ulong)row * heads + head) * DH;
    for (int d = 0; d < DH; d++) ((float *)&q[d])[lane] = x[d] * scale;
    seqs[lane] = I32(seq)[row];
    ends[lane] = I32(pos)[row];
  }
  for (int d = 0; d < DH; d++) sums[d] = 0;
  float16 most = -FLT_MAX, total = 0;
  for (int turn = 0; turn < n; turn++) {
    bool had = false;
    for (int lane = 0; lane < turn; lane++) had = had || seqs[lane] == seqs[turn];
    if (had) continue;
    int last = -1;
    int mine[16];  // the last key of each lane; none in another sequence's turn
    for (int lane = 0; lane < 16; lane++) {
      mine[lane] = seqs[lane] == seqs[turn] ? ends[lane] : -1;
      last = max(last, mine[lane]);
    }
    int16 end = vload16(0, mine);
    for (int first = 0; first <= last; first += KEYS) {
      long place[KEYS];
      if (!places_of(place, KEYS, I32(pages), sequences, table, pool, key_heads, places, seqs[turn], key_head, first,
                     last)) {
        REPORT();
        return;
      }
      float16 rows16[KEYS][PIECES];
      float16 s[KEYS];
      for (int j = 0; j < KEYS; j++) {
        get_row(BYTES(k) + place[j] * CACHE_ROW(DH), rows16[j]);
        s[j] = 0;
      }
      for (int d = 0; d < DH; d++)
        for (int j = 0; j < KEYS; j++) s[j] += q[d] * ((float *)rows16[j])[d];
      float16 above = most;
      for (int j = 0; j < KEYS; j++) {
        s[j] = select(s[j], (float16)-INFINITY, (int16)(first + j) > end);
        above = fmax(above, s[j]);
      }
      float16 shrink = exp(most - above);
      most = above;
      total *= shrink;
      for (int j = 0; j < KEYS; j++) {
        s[j] = exp(s[j] - above);
        total += s[j];
        get_row(BYTES(v) + place[j] * CACHE_ROW(DH), rows16[j]);
      }
      for (int d = 0; d < DH; d++) {
        float16 sum = sums[d] * shrink;
        for (int j = 0; j < KEYS; j++) sum += s[j] * ((float *)rows16[j])[d];
        sums[d] = sum;
      }
    }
  }
  for (int lane = 0; lane < n; lane++) {
    if (ends[lane] < 0) {
      REPORT();
      return;
    }
  }
  for (int d = 0; d < DH; d++) sums[d] /= total;
  for (int lane = 0; lane < n; lane++) {
    __global float *y = F32(y) + ((ulong)(top + lane) * heads + head) * DH;
    for (int d = 0; d < DH; d++) y[d] = ((float *)&sums[d])[lane];
  }
}
