// y[t] = tokens[seq[t], pos[t]], a work-item a row. A row that names no place is reported, and its y is 0: what follows must have
// some token.
__kernel GROUP(1) void token_at__row(TENSOR(tokens), TENSOR(seq), TENSOR(pos), TENSOR(y), int sequences, int places, ERROR) {
  int t = get_global_id(0), seq = I32(seq)[t], pos = I32(pos)[t];
  if (seq < 0 || seq >= sequences || pos < 0 || pos >= places) {
    REPORT();
    I32(y)[t] = 0;
    return;
  }
  I32(y)[t] = I32(tokens)[(long)seq * places + pos];
}
