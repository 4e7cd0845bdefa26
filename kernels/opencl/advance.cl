// pos[t] += 1, a work-item a row. One that cannot be counted on is reported and stays.
__kernel GROUP(1) void advance__row(TENSOR(pos), ERROR) {
  int t = get_global_id(0);
  if (I32(pos)[t] == INT_MAX) {
    REPORT();
    return;
  }
  I32(pos)[t]++;
}
