// tokens[seq[t], pos[t] + 1] = ids[t] where pos[t] >= 0, a work-item a row. A row that names no place is reported and left out.
__kernel GROUP(1) void put_token__row(TENSOR(tokens), TENSOR(ids), TENSOR(seq), TENSOR(pos), int sequences, int places, ERROR) {
  int t = get_global_id(0), seq = I32(seq)[t], pos = I32(pos)[t];
  if (seq < 0 || seq >= sequences || pos >= places - 1) {
    REPORT();
    return;
  }
  if (pos >= 0) I32(tokens)[(long)seq * places + pos + 1] = I32(ids)[t];
}
