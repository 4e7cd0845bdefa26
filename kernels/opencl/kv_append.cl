// Writes keys or values into their pages, a work-item to a head of a row. A row that names no place is reported and left out.
__kernel GROUP(1) void kv_append__head(TENSOR(cache), TENSOR(x), TENSOR(pos), TENSOR(seq), TENSOR(pages), int sequences, int table,
                              int pool, int heads, int places, int width, ERROR) {
  int head = get_global_id(0), row = get_global_id(1);
  long at = cache_row(I32(pages), sequences, table, pool, heads, places, I32(seq)[row], head, I32(pos)[row]);
  if (at < 0) {
    REPORT();
    return;
  }
  put_row(BYTES(cache) + at * CACHE_ROW(width), F32(x) + ((ulong)row * heads + head) * width, width);
}
