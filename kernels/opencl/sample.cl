// Chooses one token a row as dev.fovea.op.Sample defines it, in double precision; a work-item to a row. A row that asks for the most
// likely token takes one pass over its logits.
#pragma OPENCL EXTENSION cl_khr_fp64 : enable

// SplitMix64, counter-based: Steele, Lea and Flood 2014.
double uniform_number(ulong seed, ulong counter) {
  ulong z = seed + counter * 0x9E3779B97F4A7C15UL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
  z ^= z >> 31;
  return (double)(z >> 11) * 0x1p-53;
}

// Whether a goes after b: less likely, or as likely and a larger id.
bool after(__global const double *w, int a, int b) { return w[a] != w[b] ? w[a] < w[b] : a > b; }

// Moves the id at `at` down to where no id below it should go before it.
void sift(__global const double *w, __global int *heap, int at, int count) {
  int id = heap[at];
  for (int child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && after(w, heap[child], heap[child + 1])) child++;
    if (!after(w, id, heap[child])) break;
    heap[at] = heap[child];
  }
  heap[at] = id;
}

// Weights of ids that top-k and top-p drop become 0. The heap gives ids by weight; those taken collect at its end.
void cut(__global double *w, __global int *heap, int n, int top_k, double top_p) {
  int count = 0;
  for (int i = 0; i < n; i++)
    if (w[i] > 0) heap[count++] = i;
  for (int i = count / 2 - 1; i >= 0; i--) sift(w, heap, i, count);
  int kept = top_k == 0 || top_k > count ? count : top_k;
  double all = 0;
  for (int i = 0; i < kept; i++) {
    int best = heap[0];
    heap[0] = heap[count - 1 - i];
    heap[count - 1 - i] = best;
    sift(w, heap, 0, count - 1 - i);
    all += w[best];
  }
  int enough = kept;
  if (top_p < 1) {
    double sum = 0;
    for (enough = 0; enough < kept && sum < top_p * all; enough++) sum += w[heap[count - 1 - enough]];
    if (enough == 0) enough = 1;
  }
  for (int i = 0; i < count - enough; i++) w[heap[i]] = 0;
}

__kernel GROUP(1) void sample__row(TENSOR(logits), TENSOR(tokens), TENSOR(seq), TENSOR(pos), TENSOR(control), TENSOR(seed), TENSOR(y),
                          TENSOR(work), int sequences, int places, int vocabulary, int width, ERROR) {
  int r = get_global_id(0), n = vocabulary, pos = I32(pos)[r], seq = I32(seq)[r];
  __global const float *c = F32(control) + 5 * r;
  if (seq < 0 || seq >= sequences || pos >= places || !(c[0] >= 0) || !(c[1] >= 0 && c[1] < 0x1p31f) || !(c[2] > 0) ||
      !(c[3] <= 1) || !(c[4] > 0)) {
    REPORT();
    return;
  }
  if (pos < 0) {
    I32(y)[r] = -1;
    return;
  }
  double temperature = c[0], top_p = c[2], min_p = c[3], penalty = c[4];
  int top_k = (int)c[1];
  __global const float *given = F32(logits) + (ulong)r * width;
  // Each row's room: weights, ids by weight, logits with the penalty applied.
  ulong room = ((ulong)n * 16 + 63) / 64 * 64;
  __global double *w = (__global double *)(BYTES(work) + r * room);
  __global int *heap = (__global int *)(w + n);
  __global float *logits = (__global float *)(heap + n);
  for (int i = 0; i < n; i++) logits[i] = given[i];
  if (penalty != 1) {
    // An id may come often and is penalized once: from its own logit, not from what stands there.
    __global const int *tokens = I32(tokens) + (long)seq * places;
    for (int i = 0; i <= pos; i++) {
      int id = tokens[i];
      if (id >= 0 && id < n) logits[id] = (float)(given[id] > 0 ? given[id] / penalty : given[id] * penalty);
    }
  }
  int best = 0;
  for (int i = 0; i < n; i++) {
    if (isnan(logits[i])) {
      REPORT_NAN();
      return;
    }
    if (logits[i] > logits[best]) best = i;
  }
  if (temperature == 0) {
    I32(y)[r] = best;
    return;
  }
  for (int i = 0; i < n; i++) {
    double v = exp(((double)logits[i] - logits[best]) / temperature);
    w[i] = v < min_p ? 0 : v;
  }
  if (top_k != 0 || top_p < 1) cut(w, heap, n, top_k, top_p);
  double total = 0;
  for (int i = 0; i < n; i++) total += w[i];
  ulong seed = (uint)I32(seed)[2 * r] | (ulong)(uint)I32(seed)[2 * r + 1] << 32;
  double at = uniform_number(seed, (ulong)pos + 1) * total;
  int last = best;
  for (int i = 0; i < n; i++) {
    if (w[i] > 0) {
      last = i;
      at -= w[i];
      if (at < 0) break;
    }
  }
  I32(y)[r] = last;
}
