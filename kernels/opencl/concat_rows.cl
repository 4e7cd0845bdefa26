// a's rows, then b's, an element a work-item. Traffic: both once.
__kernel GROUP(64) void concat_rows__one(TENSOR(a), TENSOR(b), TENSOR(y), int first, int total) {
  int i = get_global_id(0);
  if (i < total) F32(y)[i] = i < first ? F32(a)[i] : F32(b)[i - first];
}
